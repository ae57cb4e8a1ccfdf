"""What one seed is about: orders, wishes, the world they meet, and the swarm of faults that may strike.

Times are microseconds since the beginning of the history. Every subsystem has dice of its own, so that a draw more in
one shifts nothing in another; every order has its own, too, so that it stays what it is when others are left out.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
SERVICES = ("order", "inventory", "fulfilment", "billing")
METHODS = ("card", "card", "card", "bank_transfer", "cash_on_delivery", "terms")
SKUS = ("MUG", "LAMP", "BOOK", "CHAIR")
KIT = "SET"
COMPONENTS = (("MUG", 1), ("BOOK", 2))
"""What a kit consists of; later, in some seeds, of other numbers."""
PLACES = ("north", "south", "west")
WISHES = (
    "cancel",
    "cancel 1",
    "cancel 1",
    "cancel 1",
    "hold",
    "edit",
    "return",
    "return",
    "return",
    "pay again",
    "accept",
    "priority",
    "move",
)
ORDERS = 8
VALUED_EVERY = 4
"""In one of so many seeds stock is valued; its rounds take time, and few of them are enough."""

# kind: the highest rate at which it strikes when it has its chance
HITS: dict[str, float] = {
    "delay": 0.3,
    "long delay": 0.05,
    "reorder": 0.5,
    "duplicate": 0.3,
    "late duplicate": 0.1,
    "lost before confirm": 0.2,
    "confirm lost": 0.2,
    "crash before commit": 0.05,
    "crash after commit": 0.05,
    "crash after publish": 0.05,
    "crash before ack": 0.05,
    "provider silent, not done": 0.9,
    "provider silent, done": 0.9,
    "provider answers at the time-out": 0.2,
    "declined": 0.3,
    "operation refused": 0.9,
    "webhook early": 0.5,
    "webhook late": 0.3,
    "webhook twice": 0.3,
    "authorisation ends early": 0.3,
    "carrier silent, not done": 0.3,
    "carrier silent, done": 0.9,
    "carrier refuses": 0.3,
    "void refused": 0.9,
    "past the manifest": 0.9,
    "short pick": 0.3,
    "closed": 0.3,
    "address": 0.2,
    "refused at the door": 0.3,
    "parcel lost": 0.2,
    "never sent back": 0.5,
    "inspection: nothing accepted": 0.5,
    "bank entry twice": 0.3,
    "in two parts": 0.3,
    "request twice": 0.3,
    "request with other content": 0.2,
    "newer version": 0.3,
    "unreadable": 0.01,
    "unknown order": 0.01,
    "impossible": 0.01,
}
# kind: the most that there are of it in one history
INCIDENTS: dict[str, int] = {
    "broker outage": 2,
    "service down": 3,
    "clog": 2,
    "swizzle": 1,
    "purge": 2,
    "count finds less": 3,
    "clock skew": 1,
    "clock jump": 2,
}
# of the valuer beside the work, which draws from its own dice
BESIDE: dict[str, float] = {
    "valuer dies before its commit": 0.6,
    "valuer dies after its commit": 0.6,
    "valuer is late": 0.6,
    "two valuers": 0.6,
}
KINDS = (*HITS, *BESIDE, *INCIDENTS)


@dataclass(frozen=True, slots=True)
class Bought:
    """One order. `external`: it carries a number of its channel."""

    n: int
    at: int
    method: str
    lines: tuple[tuple[str, int, Decimal, Decimal, Decimal], ...]  # sku, pieces, price, discount, VAT rate
    postage: bool
    inclusive: bool
    complete: bool
    priority: int
    pays: bool
    held: bool
    external: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that a person wants of one order, a customer or, of a refund or a write-off, one of the staff.

    `pick` says which line, shipment or how much.
    """

    n: int
    at: int
    order: int
    kind: str
    pick: float


@dataclass(frozen=True, slots=True)
class Errand:
    """Goods that staff buy of a supplier ("buy") or move to another warehouse ("move"). `lines`: SKU and pieces."""

    n: int
    at: int
    kind: str
    source: str  # "": from the supplier
    destination: str
    lines: tuple[tuple[str, int], ...]
    days: int  # from the first day until they should come


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong at one time, for a while."""

    n: int
    at: int
    kind: str
    target: int
    length: int


@dataclass(frozen=True, slots=True)
class Valuing:
    """How stock is valued. `every`: from one round to the next, on an average; `at_once`: movements of one step.

    `costs`: what a piece costs, one after the other; None where nobody knows. `currency`: in which suppliers sell.
    """

    every: int
    at_once: int
    costs: dict[str, tuple[Decimal | None, ...]]
    currency: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a seed decides before the first step."""

    seed: int
    orders: tuple[Bought, ...]
    wishes: tuple[Wish, ...]
    incidents: tuple[Incident, ...]
    rates: dict[str, float]
    places: tuple[str, ...]
    stock: tuple[tuple[str, str, int], ...]
    receipts: tuple[tuple[int, str, str, int], ...]
    errands: tuple[Errand, ...]
    backorderable: bool
    automatic: frozenset[str]
    automatic_returns: bool
    labels: bool
    holds_for: int  # how long an authorisation stands
    no_consent: str
    encoded: bool  # messages are written and read as JSON, as between processes
    pace: int  # how long a desk lets arrivals gather
    round: int  # how often people make their round
    hops: tuple[int, ...]  # how long a message takes to each service
    until: int  # the end of the phase in which things go wrong
    valuing: Valuing | None

    def cost(self, sku: str, n: int) -> Decimal | None:
        """What a piece costs at the n-th time."""
        if self.valuing is None:
            return None
        costs = self.valuing.costs[sku]
        return costs[n % len(costs)]


def dice(seed: int, label: str) -> random.Random:
    """Dice of one subsystem. A text as seed does not depend on PYTHONHASHSEED."""
    return random.Random(f"{seed}/{label}")


@lru_cache(maxsize=8)
def plan_of(seed: int) -> Plan:
    world = dice(seed, "world")
    until = world.choice((2, 6, 12, 24)) * HOUR
    places = PLACES[: world.choice((1, 2, 2, 3))]
    share = world.choice((0.0, 0.5, 0.5, 1.0))
    automatic = frozenset(place for place in places if world.random() < share)
    scarce = world.choice((1, 2, 3, 6, 20))
    stock = tuple((sku, place, world.randrange(scarce + 1) + scarce // 4) for sku in SKUS for place in places)
    receipts = tuple(
        (world.randrange(until), world.choice(SKUS), world.choice(places), world.randint(1, 6))
        for _ in range(world.choice((0, 0, 1, 2, 4)))
    )
    orders = tuple(_bought(seed, n) for n in range(ORDERS))
    wishes = tuple(_wishes(seed, until, orders))
    wishes += tuple(_refunds(seed, until, len(wishes)))
    wishes += tuple(_write_offs(seed, until, len(wishes)))
    swarm = dice(seed, "swarm")
    calm = swarm.random() < 0.1
    often = swarm.choice((0.1, 0.3, 0.6))
    rates: dict[str, float] = {}
    for kind, most in HITS.items():
        chosen, rate = swarm.random() < often, most * swarm.random() ** 2
        if chosen and not calm:
            rates[kind] = rate
    incidents = () if calm else tuple(_incidents(swarm, often, until))
    valuing = _valuing(seed, {} if calm else rates)
    return Plan(
        seed,
        orders,
        wishes,
        incidents,
        rates,
        places,
        stock,
        receipts,
        tuple(_errands(seed, until, places)),
        backorderable=world.random() < 0.75,
        automatic=automatic,
        automatic_returns=world.random() < 0.2,
        labels=world.random() < 0.6,
        holds_for=world.choice((2, 12, 24)) * HOUR,
        no_consent=world.choice(("wait", "cancel")),
        encoded=seed % 8 == 0,
        pace=world.choice((0, 20_000, 200_000, SECOND, SECOND)),
        round=world.choice((2, 10, 30)) * MINUTE,
        hops=tuple(world.choice((1_000, 5_000, 50_000, 500_000)) for _ in SERVICES),
        until=until,
        valuing=valuing,
    )


def _valuing(seed: int, rates: dict[str, float]) -> Valuing | None:
    """In one seed of four, with its faults; among them some of those that are run twice."""
    if seed % VALUED_EVERY != 2:
        return None
    of = dice(seed, "values")
    for kind, most in BESIDE.items():
        if of.random() < 0.5:
            rates[kind] = most * of.random() ** 2
    some = (None, Decimal(0), *(Decimal(of.randint(1, 2000)) / 100 for _ in range(10)))
    costs = {sku: tuple(of.choices(some, k=5)) for sku in SKUS}
    every = of.choice((MINUTE, 10 * MINUTE, 30 * MINUTE))
    return Valuing(every, of.choice((2, 7, 1000)), costs, of.choice(("EUR", "EUR", "USD")))


def _bought(seed: int, n: int) -> Bought:
    of = dice(seed, f"order {n}")
    lines = []
    for sku in of.sample(SKUS, of.choice((1, 1, 1, 2, 2, 3))):
        price = Decimal(of.randint(100, 20000)) / 100
        pieces = of.choice((1, 1, 2, 2, 2, 3, 5))
        discount = Decimal(of.randint(0, 99)) / 100 if of.random() < 0.2 else Decimal(0)
        lines.append((sku, pieces, price, discount, Decimal(of.choice((0, 7, 19, 19)))))
    if of.random() < 0.1:  # one SKU on two lines
        sku, pieces, price, _, rate = lines[0]
        lines.append((sku, 1, price + 1, Decimal(0), rate))
    kit = dice(seed, f"kit {n}")
    if kit.random() < 0.12:
        price, discount = Decimal(kit.randint(100, 20000)) / 100, Decimal(kit.choice((0, 0, 0, 37))) / 100
        lines.append((KIT, kit.choice((1, 1, 2)), price, discount, Decimal(kit.choice((0, 7, 19)))))
    return Bought(
        n,
        of.choice((0, SECOND, MINUTE, 20 * MINUTE)) + of.randrange(SECOND),
        of.choice(METHODS),
        tuple(lines),
        postage=of.random() < 0.3,
        inclusive=of.random() < 0.5,
        complete=of.random() < 0.1,
        priority=of.choice((0, 0, 0, 5)),
        pays=of.random() < 0.85,
        held=of.random() < 0.05,
        external=of.random() < 0.5,
    )


def _wishes(seed: int, until: int, orders: tuple[Bought, ...]) -> Iterable[Wish]:
    """Half of them soon after the order was placed, when it is on its way through the services; some in pairs."""
    of = dice(seed, "wishes")
    order, at = 0, 0
    for n in range(of.choice((0, 2, 4, 8, 12))):
        if not n or of.random() < 0.6:
            order = of.randrange(ORDERS)
            at = orders[order].at + int(of.choice((SECOND, 5 * SECOND, 2 * MINUTE, HOUR)) * of.random())
            if of.random() < 0.3:
                at = int(until * of.random() ** 2)
        else:
            at += int(of.choice((0, 2 * SECOND, HOUR)) * of.random())
        yield Wish(n, at, order, of.choice(WISHES), of.random())


def _refunds(seed: int, until: int, first: int) -> Iterable[Wish]:
    """What the staff wish to give back; some of it of one order at about the same time."""
    of = dice(seed, "refunds")
    order, at = 0, 0
    for n in range(of.choice((0, 0, 1, 2, 4))):
        if not n or of.random() < 0.6:
            order, at = of.randrange(ORDERS), int(until * of.random() ** 2)
        else:
            at += int(of.choice((0, 2 * SECOND, 5 * MINUTE, HOUR)) * of.random())
        yield Wish(first + n, at, order, "refund", of.random())


def _write_offs(seed: int, until: int, first: int) -> Iterable[Wish]:
    """Debts that the staff wish to give up, as soon as there are any."""
    of = dice(seed, "write-offs")
    for n in range(of.choice((0, 0, 0, 0, 1, 2))):
        yield Wish(first + n, int(until * of.random()), of.randrange(ORDERS), "write off", of.random())


def _errands(seed: int, until: int, places: tuple[str, ...]) -> Iterable[Errand]:
    """What is bought and moved; nothing in two seeds of five."""
    of = dice(seed, "errands")
    for n in range(of.choice((0, 0, 1, 2, 4))):
        source = of.choice(("", *places)) if len(places) > 1 else ""
        yield Errand(
            n,
            int(until * of.random() ** 2),
            "move" if source else "buy",
            source,
            of.choice([place for place in places if place != source]),
            tuple((sku, of.randint(1, 5)) for sku in of.sample(SKUS, of.choice((1, 1, 2, 3)))),
            of.randrange(4),
        )


def _incidents(swarm: random.Random, often: float, until: int) -> Iterable[Incident]:
    n = 0
    for kind, most in INCIDENTS.items():
        chosen, count = swarm.random() < often, swarm.randint(1, most)
        for _ in range(count):
            at = int(until * swarm.random() ** 3)
            target, length = swarm.randrange(1000), int(swarm.choice((2, 20, 120, 2400)) * SECOND * swarm.random())
            if chosen:
                yield Incident(n, at, kind, target, length)
            n += 1


@dataclass(frozen=True, slots=True)
class Case:
    """A seed, or what is left of it: None means all of them. `hits` are (kind, how many chances before it)."""

    seed: int
    orders: frozenset[int] | None = None
    wishes: frozenset[int] | None = None
    errands: frozenset[int] | None = None
    incidents: frozenset[int] | None = None
    hits: frozenset[tuple[str, int]] | None = None


class Tape:
    """Decides what strikes, and keeps it: the n-th chance of a kind, with the number that was drawn for it."""

    def __init__(self, plan: Plan, case: Case) -> None:
        self.rates = plan.rates
        self.only = case.hits
        self.chances = dict.fromkeys((*HITS, *BESIDE), 0)
        self.dice = {kind: dice(plan.seed, f"fault {kind}") for kind in plan.rates}
        self.struck: list[tuple[str, int]] = []
        self.on = True

    def hit(self, kind: str) -> float:
        """0: it does not strike. Else a number between 0 and 1 that says how."""
        rate = self.rates.get(kind)
        if rate is None or not self.on:
            return 0.0
        n = self.chances[kind]
        self.chances[kind] = n + 1
        drawn = self.dice[kind].random()
        if drawn >= rate or (self.only is not None and (kind, n) not in self.only):
            return 0.0
        self.struck.append((kind, n))
        return drawn / rate or 0.5
