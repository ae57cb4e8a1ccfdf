"""The set-ups that are explored: small orders, with what may be wished for and what may go wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID, uuid5

from shared.contracts.inventory import Item, ReceiveStock, RegisterItems, RegisterWarehouse, StockLine
from shared.contracts.message import Message
from shared.contracts.order import NewLine, PlaceOrder
from shared.contracts.values import Address, PaymentMethod

ROOT = UUID("c0ffee00-0000-5000-8000-000000000000")
METHODS: tuple[PaymentMethod, ...] = ("card", "bank_transfer", "cash_on_delivery", "terms")
FAULTS = (
    "decline", "time-out", "refused", "expired", "short", "closed", "address", "door", "lost", "label", "void", "count",
    "inspection",
)  # fmt: skip
"""decline, time-out, refused, expired: the provider; label and void: the carrier's labels; short, closed, address: the
warehouse; door and lost: the parcel; count: the shelf; inspection: nothing of a return is accepted."""
BUT_COUNT = tuple(kind for kind in FAULTS if kind != "count")
"""Without a miscount nothing may leave a shelf that was not reserved (I4), so that is watched only here."""


@dataclass(frozen=True, slots=True)
class Bought:
    """One order: pieces per line, and the SKU of each line."""

    quantities: tuple[int, ...] = (1,)
    skus: tuple[str, ...] = ("A",)
    ship_complete: bool = False


@dataclass(frozen=True, slots=True)
class SetUp:
    """Where an exploration begins. `wishes`: how often each may be made; `faults`: how many in all, of these kinds."""

    name: str
    method: PaymentMethod = "card"
    orders: tuple[Bought, ...] = (Bought(),)
    stock: tuple[tuple[str, str, int], ...] = (("A", "W1", 1),)  # SKU, warehouse, pieces
    warehouses: tuple[str, ...] = ("W1",)  # inventory prefers the last, the order the first
    backorderable: bool = True
    wishes: tuple[tuple[str, int], ...] = ()
    faults: int = 0
    kinds: tuple[str, ...] = FAULTS
    no_consent: str = "wait"
    answer_timer: bool = False
    most_cancelled: int | None = None  # pieces that may be given up, whatever happens
    never: tuple[str, ...] = ()  # timers that never fire, to show what they are for

    @property
    def silent(self) -> tuple[str, ...]:
        return self.never if self.answer_timer else (*self.never, "answer_by")

    @property
    def labels(self) -> bool:
        """Labels are bought where something can go wrong with them; elsewhere they would only be one step more."""
        return self.faults > 0 and not {"label", "void"}.isdisjoint(self.kinds)

    def order_id(self, n: int) -> UUID:
        return uuid5(ROOT, f"order {n}")

    def worth(self, n: int) -> Decimal:
        """Every piece costs 1.00, without VAT."""
        return Decimal(sum(self.orders[n].quantities))

    def opening(self) -> Iterable[Message]:
        """Master data and opening stock, before anything is explored."""
        skus = sorted({sku for bought in self.orders for sku in bought.skus} | {sku for sku, _, _ in self.stock})
        for n, code in enumerate(self.warehouses):
            yield RegisterWarehouse(code=code, rank=100 - n)
        yield RegisterItems(items=tuple(Item(sku=sku, backorderable=self.backorderable) for sku in skus))
        for sku, warehouse, pieces in self.stock:
            if pieces:
                yield ReceiveStock(
                    warehouse=warehouse, reference="opening", lines=(StockLine(sku=sku, quantity=pieces),)
                )

    def placing(self) -> Iterable[PlaceOrder]:
        for n, bought in enumerate(self.orders):
            yield PlaceOrder(
                order_id=self.order_id(n),
                payment_method=self.method,
                payment_token="token" if self.method == "card" else "",
                ship_to=Address(name="A", street=("1",), city="B", country="DE"),
                ship_complete=bought.ship_complete,
                lines=tuple(
                    NewLine(
                        sku=sku,
                        quantity=quantity,
                        unit_price=Decimal(1),
                        text="",
                        kind="goods",
                        vat_category="Z",
                        vat_rate=Decimal(0),
                    )
                    for sku, quantity in zip(bought.skus, bought.quantities, strict=True)
                ),
            )


SHORT_NAMES: dict[PaymentMethod, str] = {
    "card": "card",
    "bank_transfer": "bank",
    "cash_on_delivery": "cash",
    "terms": "terms",
}
TWO = (Bought((2,)),)
TWO_PLACES = (("A", "W1", 1), ("A", "W2", 1))


def _methods(of: SetUp, methods: Iterable[PaymentMethod] = METHODS) -> list[SetUp]:
    made = []
    for method in methods:
        wishes = of.wishes
        if method == "bank_transfer":
            wishes = (*wishes, ("transfer", len(of.orders)))
        made.append(replace(of, name=f"{SHORT_NAMES[method]}: {of.name}", method=method, wishes=wishes))
    return made


def _all() -> list[SetUp]:
    return [
        *_methods(SetUp("nothing special")),
        *_methods(SetUp("cancel", wishes=(("cancel", 1),))),
        *_methods(SetUp("return", wishes=(("return", 1),))),
        *_methods(SetUp("hold", wishes=(("hold", 1),))),
        *_methods(SetUp("hold and cancel", wishes=(("hold", 1), ("cancel", 1)))),
        *_methods(SetUp("short or rejected", faults=1, kinds=("short", "closed", "address"))),
        *_methods(SetUp("refused at the door", faults=1, kinds=("door",))),
        *_methods(SetUp("provider", faults=1, kinds=("decline", "time-out", "refused", "expired")), ("card",)),
        *_methods(SetUp("no stock, receipt", stock=(("A", "W1", 0),), wishes=(("receipt", 1),))),
        *_methods(SetUp("cancel + 1 fault", wishes=(("cancel", 1),), faults=1, kinds=BUT_COUNT)),
        *_methods(SetUp("return + 1 fault", wishes=(("return", 1),), faults=1, kinds=BUT_COUNT)),
        *_methods(SetUp("hold + 1 fault", wishes=(("hold", 1),), faults=1, kinds=BUT_COUNT)),
        *_methods(SetUp("cancel + 1 miscount", wishes=(("cancel", 1),), faults=1, kinds=("count",))),
        *_methods(
            SetUp("return + 1 miscount", wishes=(("return", 1),), faults=1, kinds=("count",)),
            ("card", "cash_on_delivery"),
        ),
        *_methods(
            SetUp("pay again + 1 fault", wishes=(("pay again", 1),), faults=1, kinds=("decline",)), ("card", "terms")
        ),
        *_methods(SetUp("cancel and return", wishes=(("cancel", 1), ("return", 1)))),
        *_methods(SetUp("asked again", wishes=(("cancel", 1), ("ask again", 2)), answer_timer=True)),
        *_methods(
            SetUp(
                "no stock, receipt, cancel",
                stock=(("A", "W1", 0),),
                wishes=(("receipt", 1), ("cancel", 1), ("late", 1)),
            )
        ),
        *_methods(
            SetUp(
                "no stock, late, no consent", stock=(("A", "W1", 0),), wishes=(("receipt", 1), ("late", 1)),
                no_consent="cancel",
            ),
            ("card", "cash_on_delivery"),
        ),
        *_methods(
            SetUp(
                "no stock, not backorderable", stock=(("A", "W1", 0),), backorderable=False, wishes=(("receipt", 1),)
            )
        ),
        *_methods(
            SetUp("2 units, 1 in stock, not backorderable", orders=TWO, backorderable=False, most_cancelled=1),
            ("cash_on_delivery",),
        ),
        *_methods(SetUp("2 units, cancel 1", orders=TWO, stock=(("A", "W1", 2),), wishes=(("cancel 1", 1),))),
        *_methods(
            SetUp("2 units, return 1 by 1", orders=TWO, stock=(("A", "W1", 2),), wishes=(("return", 2),)), ("card",)
        ),
        *_methods(
            SetUp(
                "2 units in 2 warehouses, short or rejected", orders=TWO, stock=TWO_PLACES, warehouses=("W1", "W2"),
                faults=1, kinds=("short", "closed", "address"),
            )
        ),
        *_methods(
            SetUp(
                "2 units in 2 warehouses, cancel 1", orders=TWO, stock=TWO_PLACES, warehouses=("W1", "W2"),
                wishes=(("cancel 1", 1),),
            )
        ),
        *_methods(
            SetUp(
                "2 units in 2 warehouses, ship complete, cancel 1", orders=(Bought((2,), ship_complete=True),),
                stock=TWO_PLACES, warehouses=("W1", "W2"), wishes=(("cancel 1", 1),),
            ),
            ("card",),
        ),
        *_methods(SetUp("2 faults", faults=2, kinds=BUT_COUNT), ("card",)),
        *_methods(SetUp("edit", stock=(("A", "W1", 2),), wishes=(("edit", 1),)), ("card", "cash_on_delivery", "terms")),
        *_methods(
            SetUp("2 lines of one SKU, 1 in stock", orders=(Bought((1, 1), ("A", "A")),), wishes=(("receipt", 1),)),
            ("card", "cash_on_delivery"),
        ),
        *_methods(
            SetUp(
                "2 orders, 2 in stock, 1 miscount", orders=(Bought(), Bought()), stock=(("A", "W1", 2),), faults=1,
                kinds=("count",),
            ),
            ("cash_on_delivery",),
        ),
        *_methods(
            SetUp("2 orders, 1 in stock", orders=(Bought(), Bought()), wishes=(("cancel", 1),)),
            ("card", "cash_on_delivery"),
        ),
    ]  # fmt: skip


SETUPS: dict[str, SetUp] = {setup.name: setup for setup in _all()}

CUT = (
    "card: cancel",
    "card: return",
    "card: hold",
    "card: hold and cancel",
    "cash: edit",
    "card: provider",
    "card: short or rejected",
    "card: refused at the door",
    "card: pay again + 1 fault",
    "card: no stock, receipt",
    "card: no stock, late, no consent",
    "card: no stock, not backorderable",
    "card: asked again",
    "card: 2 units, cancel 1",
    "bank: cancel",
    "bank: return",
    "bank: no stock, not backorderable",
    "cash: cancel and return",
    "cash: hold",
    "cash: short or rejected",
    "cash: refused at the door",
    "cash: 2 units, 1 in stock, not backorderable",
    "terms: cancel",
    "terms: return",
    "terms: short or rejected",
)
"""What the tests explore, each to the end; the status matrix comes from these."""
