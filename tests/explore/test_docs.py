"""What is generated and checked in says what the code does now."""

import difflib
from pathlib import Path

import pytest

from comptoir import docs
from comptoir.docs import STATUSES
from comptoir.explore.search import Matrix, Result, merged
from comptoir.explore.wishes import REFUSED, WISHES
from shared.messaging.topology import SERVICES

pytestmark = pytest.mark.timeout(600)  # a walk takes longer where the machine is busy

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def matrix(cut: dict[str, Result]) -> Matrix:
    return merged(result.matrix for result in cut.values())


def assert_current(path: Path, generated: str) -> None:
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    difference = difflib.unified_diff(
        known.splitlines(),
        generated.splitlines(),
        f"{path.name} as committed",
        f"{path.name} as the code is",
        "",
        "",
        0,
    )
    assert known == generated, f"{docs.REGENERATE}\n" + "\n".join(difference)


def test_the_status_matrix_is_that_of_the_code(matrix: Matrix) -> None:
    assert_current(DOCS / "status-matrix.csv", docs.matrix_csv(matrix))


def test_the_page_of_the_saga_is_that_of_the_code(matrix: Matrix) -> None:
    assert_current(DOCS / "saga.md", docs.saga_page(matrix))


@pytest.mark.parametrize("service", SERVICES)
def test_asyncapi_is_that_of_the_code(service: str) -> None:
    assert_current(DOCS / "asyncapi" / f"{service}.json", docs._json(docs.asyncapi(service)))


@pytest.mark.parametrize("service", SERVICES)
def test_openapi_is_that_of_the_code(service: str) -> None:
    assert_current(DOCS / "openapi" / f"{service}.json", docs._json(docs.openapi(service)))


def test_a_changed_matrix_is_shown_as_a_readable_difference(matrix: Matrix) -> None:
    changed = {**matrix, ("CancelOrder", "completed"): {"cancelling"}}
    with pytest.raises(AssertionError, match="CancelOrder,completed,cancelling"):
        assert_current(DOCS / "status-matrix.csv", docs.matrix_csv(changed))


def test_final_statuses_are_never_left(matrix: Matrix) -> None:
    for (trigger, before), after in matrix.items():
        if before in ("cancelled", "completed"):
            assert after <= {before, REFUSED}, trigger


def test_every_wish_was_tried_in_every_status(matrix: Matrix) -> None:
    assert {key for key in matrix if key[0] in WISHES} == {(wish, status) for wish in WISHES for status in STATUSES}
    assert matrix["EditOrder: priority", "completed"] == {REFUSED}
    assert matrix["ReturnGoods: 1 piece", "backordered"] == {REFUSED}
    assert REFUSED not in matrix["CancelOrder: everything", "backordered"]


def test_the_seen_changes_are_those_of_the_specification(matrix: Matrix) -> None:
    """A change outside of it is a new way for an order to go: think first, then add it here.

    Wanting more after the goods are out opens the order again; nothing else does.
    """
    moving = {"backordered", "awaiting_stock", "awaiting_payment", "in_fulfilment", "held"}
    allowed = {(a, b) for a in (*moving, "(new)") for b in moving} | {(a, "cancelling") for a in moving}
    allowed |= {(a, b) for a in (*moving - {"backordered"}, "cancelling") for b in ("shipped", "delivered")}
    allowed |= {("cancelling", b) for b in (*moving, "cancelled")}
    allowed |= {("shipped", "delivered"), ("shipped", "completed"), ("delivered", "completed")}
    edited = {key: after for key, after in matrix.items() if key[0] == "EditOrder: 1 piece more"}
    assert set(docs.edges({key: after for key, after in matrix.items() if key not in edited})) <= allowed
    again = {(a, b) for a in ("shipped", "delivered") for b in ("awaiting_stock", "awaiting_payment", "held")}
    assert set(docs.edges(edited)) <= allowed | again
