"""Which tests carry which numbered scenario. A scenario without a test fails here, and so does a wrong promise.

The numbers are those of the scenarios of the trade: each is a defect that a known shop system once had.
"""

import re
from collections import defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NUMBERED = re.compile(r"^(?:async )?def test_((?:[a-z]+\d\d_)+)", re.MULTILINE)

IN_SCOPE = {
    1: "two orders want one unit at the same instant",
    2: "demand of one order is summed per SKU",
    3: "one order from two warehouses",
    4: "shipped from elsewhere than promised",
    5: "an order of 200 lines",
    6: "a short pick leaves nothing stuck",
    7: "an unpaid order expires; late money",
    8: "webhook and answer in either order, twice",
    9: "authorised and captured: one stock movement",
    10: "nobody outside hears of an order that fails",
    11: "a compensation that fails is parked and resumable",
    12: "crash between commit and publish; twice; broker away",
    13: "sent before the reader was ever there",
    14: "poison is parked with its cause and can be replayed",
    15: "credited line by line to the cent",
    16: "a credit note mirrors its invoice",
    17: "VAT per group",
    18: "prices that include VAT",
    19: "a full refund includes postage and its VAT",
    20: "a refunded line gives back its share of the discount",
    21: "added and removed before payment",
    22: "a lower total while authorised",
    23: "several returns on one payment",
    24: "a return received in parts",
    25: "of kits that are partly out only complete sets count, the rest is listed",
    26: "a shipment cancelled before hand-over",
    27: "a label whose answer was lost",
    28: "backordered pieces are never in a shipment",
    29: "document numbers without hole or double",
    31: "a refund and its entry in the ledger: both or neither",
}
OUT_OF_SCOPE = {
    30: "supplier invoices are not entered: what goods cost is noted with the movement and booked in no ledger",
    32: "there is no store credit: what is given back goes the way it was paid",
}

END_TO_END = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29}
"""Through all services over HTTP; 15 to 18 are arithmetic of one function, and 31 is one decision: tested there."""


def carriers() -> dict[int, set[str]]:
    """Test files by the number of the scenario that their tests carry."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for numbers in NUMBERED.findall(path.read_text()):
            for number in re.findall(r"sc(\d\d)", numbers):
                found[int(number)].add(str(path.relative_to(TESTS)))
    return found


def test_every_scenario_has_been_judged() -> None:
    assert not IN_SCOPE.keys() & OUT_OF_SCOPE.keys()
    assert sorted({**IN_SCOPE, **OUT_OF_SCOPE}) == list(range(1, 33))


@pytest.mark.parametrize("number", sorted(IN_SCOPE))
def test_a_scenario_in_scope_has_a_test_with_its_number(number: int) -> None:
    files = carriers()[number]
    assert files, f"SC-{number:02} ({IN_SCOPE[number]}) has no test"
    if number in END_TO_END:
        through_all = {each for each in files if each.split("/")[0] in ("journeys", "scenarios")}
        assert through_all, f"SC-{number:02} ({IN_SCOPE[number]}) is tested in {sorted(files)} only, not end to end"


def test_what_is_out_of_scope_is_not_tested_after_all() -> None:
    wrong = {number: sorted(carriers()[number]) for number in OUT_OF_SCOPE if carriers()[number]}
    assert not wrong, f"these have tests, so they belong in scope: {wrong}"
