"""Which row kind lives in which table, in the order in which billing takes its locks: the order's account first,
the counters that everybody wants last."""

from services.billing import tables
from services.billing.domain import rows
from shared.messaging.store import mapping

BOOKS = mapping(
    (rows.Account, tables.accounts, True),
    (rows.Sale, tables.sales, False),
    (rows.Operation, tables.operations, False, tables.IN_FLIGHT),
    (rows.Invoice, tables.invoices, False),
    (rows.CreditNote, tables.credit_notes, False),
    (rows.Remittance, tables.remittances, False),
    (rows.BankEntry, tables.bank_entries, True),
    (rows.UnmatchedCredit, tables.unmatched_credits, True),
    (rows.Hint, tables.hints, True),
    (rows.Series, tables.series, True),
    (rows.Posting, tables.postings, False),
)
