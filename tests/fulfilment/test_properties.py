"""Any words in any order: the laws of a shipment and of its returns hold after each of them."""

import contextlib
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.fulfilment.domain import Impossible, Policy, Return, return_id_of
from shared.contracts.fulfilment import OUT, ReturnStatement, ShipmentStatement
from shared.contracts.message import Message
from shared.messaging.decision import Missing, Refused
from tests.fulfilment.builders import (
    AT_ONCE,
    BY_ITSELF,
    DISPATCH,
    PACK,
    POSTAGE,
    REJECT,
    RESUME,
    RETURN,
    SHIPMENT,
    Warehouse,
    cancel,
    close,
    expect,
    goods,
    inspect,
    label,
    pick,
    plan,
    receive,
    tracking,
    voided,
)

OTHER, OWN = UUID(int=4), return_id_of(SHIPMENT)
which = st.sampled_from([RETURN, OTHER, OWN])
few = st.integers(1, 3)
outcome = st.sampled_from(["ok", "ok", "refused", "unknown"])
words: st.SearchStrategy[Message] = st.one_of(
    st.sampled_from(
        [plan(goods(1, 3), POSTAGE), cancel(), PACK, DISPATCH, REJECT, RESUME, pick(), pick(l1=1), pick(l1=3)]
    ),
    st.builds(label, outcome, label_id=st.sampled_from(["L1", "L1", "L2"])),
    st.builds(voided, outcome),
    st.builds(tracking, st.sampled_from(["in_transit", "delivered", "refused", "lost"])),
    st.builds(lambda n, r: expect(n, return_id=r), few, st.sampled_from([RETURN, OTHER])),
    st.builds(lambda n, r: receive(n, return_id=r), few, which),
    st.builds(
        lambda a, b, c, r: inspect(min(a, b + c), restock=b, scrap=c, return_id=r), few, few, st.integers(0, 1), which
    ),
    st.builds(lambda c, r: close(c, return_id=r), st.booleans(), which),
)
way = st.lists(words, max_size=14).map(lambda rest: [plan(goods(1, 3), POSTAGE), *rest])
out = st.lists(words, max_size=14).map(
    lambda rest: [plan(goods(1, 3), POSTAGE), pick(), PACK, label(), DISPATCH, *rest]
)
policies = st.sampled_from([Policy(), BY_ITSELF, AT_ONCE, Policy(automatic_returns=True), Policy(label_retries=())])


def check(w: Warehouse) -> None:
    statements = [m for m in w.sent if isinstance(m, ShipmentStatement)]
    versions = [m.version for m in statements]
    assert versions == sorted(versions)
    by_version: dict[int, dict[str, object]] = {}
    for m in statements:  # one version, one content: who heard it once has heard it
        assert by_version.setdefault(m.version, m.model_dump()) == m.model_dump()
    states = {m.state for m in statements}
    assert not (states & OUT and states & {"cancelled", "rejected"})
    for m in statements:
        for line in m.lines:
            if m.state in OUT:
                assert line.planned == line.shipped + line.short
            else:
                assert line.shipped == 0
                assert m.state in ("cancelled", "rejected") or line.short == 0
    if not statements:
        return
    shipped = w.shipment.shipped()
    returns = [row for row in w.rows.values() if isinstance(row, Return)]
    for line_no, quantity in shipped.items():
        assert sum(x.accepted for r in returns for x in r.lines if x.line_no == line_no) <= quantity
    heard: dict[UUID, ReturnStatement] = {}
    for n in (m for m in w.sent if isinstance(m, ReturnStatement)):
        if before := heard.get(n.return_id):
            assert n.version >= before.version
            for a, b in zip(before.lines, n.lines, strict=True):
                assert a.received <= b.received
                assert a.accepted <= b.accepted
                assert a.restock <= b.restock
                assert a.quarantine <= b.quarantine
                assert a.scrap <= b.scrap
        for x in n.lines:
            assert x.received <= x.expected
            assert x.accepted <= x.expected
        heard[n.return_id] = n
    if w.shipment.state in ("cancelled", "rejected"):  # I9: no label survives unless somebody is at it
        s = w.shipment
        asked = s.label in ("wanted", "void_wanted")
        assert s.label in ("none", "voided", "claimed") or asked or s.parked or f"label:{SHIPMENT}" in w.timers


@settings(max_examples=400, deadline=None)
@given(policies, st.one_of(way, out), st.lists(st.integers(0, 40), max_size=4))
def test_any_words_in_any_order_keep_the_laws(policy: Policy, said: list[Message], pauses: list[int]) -> None:
    w = Warehouse(policy)
    for i, message in enumerate(said):
        with contextlib.suppress(Refused, Missing, Impossible):
            w.say(message)
        if i in pauses:
            w.wait(timedelta(days=i))
        check(w)


@settings(max_examples=200, deadline=None)
@given(st.permutations([plan(), cancel(), pick(), PACK, label(), DISPATCH, tracking("delivered")]))
def test_f34_cancel_and_hand_over_in_any_order_have_one_winner(said: list[Message]) -> None:
    w = Warehouse()
    for message in [*said, *said]:
        with contextlib.suppress(Refused, Missing):
            w.say(message)
    check(w)
    assert w.shipment.state in ("cancelled", "delivered", "dispatched")
