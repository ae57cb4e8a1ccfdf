"""Which row kind lives in which table, in the order in which billing takes its locks: the order's account first,
the counters that everybody wants late, and last the credit of a customer, which is known only by the account."""

from services.billing import tables
from services.billing.domain import rows
from shared.messaging.books import aggregate, mapping

BOOKS = mapping(
    aggregate(
        rows.Account,
        tables.accounts,
        (rows.Sale, tables.sales),
        (rows.Invoice, tables.invoices),
        (rows.CreditNote, tables.credit_notes),
        (rows.Refund, tables.refunds),
        (rows.Remittance, tables.remittances),
        (rows.WriteOff, tables.write_offs),
    ),
    (rows.Operation, tables.operations, False, tables.IN_FLIGHT),
    (rows.BankEntry, tables.bank_entries, True),
    (rows.UnmatchedCredit, tables.unmatched_credits, True),
    (rows.Hint, tables.hints, True),
    (rows.Series, tables.series, True),
    (rows.Posting, tables.postings, False),
    (rows.Debtor, tables.debtors, True),
)
