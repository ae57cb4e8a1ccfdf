"""The invariants of the suite, as pure functions over snapshots of rows: no I/O, one function per law.

The same functions serve tests, the operator's `comptoir verify`, and whatever else has snapshots. Numbers are those
of the reliability study: I1 to I4 are in stock.py, I5 to I8, I10, I11, I19 in orders.py, I12 to I16 in money.py, I9
and I21 in across.py, I17, I18, I20, I22, I24 in messages.py; I27 to I29, of purchase orders, in purchases.py; I30 and
I31, of transfers, in transfers.py; I32 and I33, of what stock is worth, in value.py.

Checked in part:
- I1, I13: that movements and postings are never changed shows in their sums; documents and postings also have a trigger
  that refuses it, and the trigger is checked. Movements have none.
- I7: the order's machine has no table of edges, its status is a fold; the fold is computed again, and final is final.
- I18: only the age of what is unsent; at rest nothing is unsent by definition.
- I19: one effect per message for the history of orders; for movements, postings and the histories of fulfilment it is
  their primary key.
- I20: what an operator's command published has no outbox row; it is recognised by its name.
- I24: that a repeat gets the stored answer is checked as far as there is one; 422 and 409 leave no trace in rows.

Not checked:
- I23 (webhooks): a hint is stored raw by the decision that takes it over, and those without a valid signature leave no
  trace. Outbound: whom an event was owed to depends on what each webhook asked for at that moment, and an elder that
  came late is told late, so rows alone do not show a delivery that is missing or out of order; what a receiver got is
  compared with what the owners sent in tests/faults/test_webhooks_killed.py. At most one delivery per event and webhook
  is a primary key.
- I25 (audit of views and downloads, hash chain): documents viewed are not recorded in this version.
- I26 (no card numbers, secrets or addresses astray): a property of texts and logs, checked by scanning those.
"""

from comptoir.invariants import across, messages, money, orders, purchases, stock, transfers, value
from comptoir.invariants.law import LAWS, Law, law

__all__ = ["LAWS", "Law", "across", "law", "messages", "money", "orders", "purchases", "stock", "transfers", "value"]
