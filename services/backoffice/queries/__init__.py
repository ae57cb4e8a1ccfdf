"""Reads for the pages: plain selects on the read tables, no locks.

Every list goes by an index, also at a million orders.
"""

from services.backoffice.queries.fetching import Reading
from services.backoffice.queries.mails import mails_of, mails_open, mails_parked
from services.backoffice.queries.money import order_of_refund, parcels, payable, refunds, waiting_for
from services.backoffice.queries.order import (
    exactly,
    numbers_of,
    one,
    order_id_of,
    orders_called,
    returns_asked_at,
    shipments_of,
)
from services.backoffice.queries.orders import (
    COUNTED_AT_MOST,
    FINAL,
    SORTS,
    Filter,
    around,
    as_id,
    list_orders,
    listing,
    newer,
    place_of,
    rows_of,
)
from services.backoffice.queries.people import (
    account,
    acts,
    admins,
    any_account,
    called,
    saved_views,
    sessions_of,
    staff,
    views,
)
from services.backoffice.queries.today import (
    at_work,
    by_hour,
    latest,
    newest_placed,
    placed_and_handed_over,
    worklists,
)

__all__ = [
    "COUNTED_AT_MOST",
    "FINAL",
    "SORTS",
    "Filter",
    "Reading",
    "account",
    "acts",
    "admins",
    "any_account",
    "around",
    "as_id",
    "at_work",
    "by_hour",
    "called",
    "exactly",
    "latest",
    "list_orders",
    "listing",
    "mails_of",
    "mails_open",
    "mails_parked",
    "newer",
    "newest_placed",
    "numbers_of",
    "one",
    "order_id_of",
    "order_of_refund",
    "orders_called",
    "parcels",
    "payable",
    "place_of",
    "placed_and_handed_over",
    "refunds",
    "returns_asked_at",
    "rows_of",
    "saved_views",
    "sessions_of",
    "shipments_of",
    "staff",
    "views",
    "waiting_for",
    "worklists",
]
