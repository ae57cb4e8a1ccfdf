"""The four services as one machine: committed rows, armed timers, wanted calls, and messages on their way, as numbers.

Every row, message and local state is kept once and named by a number, so a state of the whole suite is a small tuple.
A decision depends on its service's rows and its message alone; it is run once for each pair and remembered.

Versions count up for ever, and only their order matters: `ranked` replaces each by its rank among those still in use,
which makes the space finite. An endless exchange of statements then shows as a cycle.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from services.billing.domain import rows as billing
from services.billing.handlers import HANDLERS as BILLING
from services.fulfilment import domain as fulfilment
from services.fulfilment.handlers import HANDLERS as FULFILMENT
from services.inventory import domain as inventory
from services.inventory.handlers import HANDLERS as INVENTORY
from services.order import rows as order
from services.order.domain import Policy as OrderPolicy
from services.order.facts import plain
from services.order.handlers import HANDLERS as ORDER
from services.order.handlers import STATEMENTS
from shared.contracts.billing import AuthorisationEnds, AuthorisePayment, CallProvider, MoneyStatement, OperationDue
from shared.contracts.fulfilment import CancelShipment, ReturnStatement, ShipmentStatement
from shared.contracts.inventory import ReserveStock, StockStatement
from shared.contracts.message import Message
from shared.messaging.decision import Call, Context, Effect, Handlers, Missing, Refused, Row, Rows, Timer, key_of

SERVICES = ("order", "inventory", "fulfilment", "billing")
HANDLERS: tuple[Handlers, ...] = (ORDER, INVENTORY, FULFILMENT, BILLING)
ORDER_, INVENTORY_, FULFILMENT_, BILLING_ = range(4)
T0 = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""The one moment at which everything happens: all waits are of length nought, so each timer may fire at any time."""

Thing = tuple[str, UUID]
Mapped = Mapping[Thing, Mapping[int, int]]
Names = tuple[tuple[str | int, ...], Thing]


def _no_id() -> NoReturn:
    raise AssertionError("a decision of the saga made up an id: the same step would not give the same state")


NOTHING = timedelta(0)


def policies(no_consent: str = "wait", labels: bool = True) -> tuple[Any, ...]:
    """Every wait is over at once, and every ladder has one rung. `labels`: parcels need a label of the carrier."""
    return (
        OrderPolicy(
            pay_by={"card": NOTHING, "bank_transfer": NOTHING, "terms": NOTHING},
            ask_money_again=NOTHING,
            answer=NOTHING,
            answer_again=NOTHING,
            consent=NOTHING,
            ask_refused_again=NOTHING,
            no_consent=no_consent,  # type: ignore[arg-type]
        ),
        inventory.Policy(),
        fulfilment.Policy(
            call_carrier=labels, return_within=NOTHING, return_look_again=NOTHING, label_retries=(NOTHING,)
        ),
        billing.Policy(dunning=(NOTHING,), ask_again=(NOTHING,), ask_hourly=NOTHING, retry=(NOTHING,)),
    )


# Versions: where they are, and of which thing


def versions(of: Any) -> tuple[Names, ...]:
    """(path to a number, the thing that it counts) for everything that carries a version."""
    names = _VERSIONS.get(type(of))
    if names is None:
        for kind in type(of).__mro__:
            if (names := _VERSIONS.get(kind)) is not None:
                break
        else:
            return ()
    return tuple(names(of))


def _stock(of: order.Stock) -> Iterator[Names]:
    yield ("asked",), ("stock asks", of.order_id)
    if of.heard is not None:
        yield ("heard", "version"), ("stock", of.order_id)
        yield ("heard", "answers"), ("stock asks", of.order_id)


def _money(of: order.Money) -> Iterator[Names]:
    yield ("asked",), ("money asks", of.order_id)
    if of.heard is not None:
        yield ("heard", "version"), ("money", of.order_id)
        yield ("heard", "answers"), ("money asks", of.order_id)


def _account(of: billing.Account) -> Iterator[Names]:
    yield ("version",), ("money", of.order_id)
    yield ("answers",), ("money asks", of.order_id)
    yield ("operations",), ("operations", of.order_id)
    yield ("running",), ("operations", of.order_id)
    for n in range(len(of.holds)):
        yield ("holds", n, "operation_no"), ("operations", of.order_id)


def _said(kind: str, key: str = "order_id") -> Callable[[Any], Iterator[Names]]:
    def names(of: Any) -> Iterator[Names]:
        yield ("version",), (kind, getattr(of, key))

    return names


def _heard(kind: str, key: str) -> Callable[[Any], Iterator[Names]]:
    def names(of: Any) -> Iterator[Names]:
        if of.heard is not None:
            yield ("heard", "version"), (kind, getattr(of, key))

    return names


def _answering(kind: str, asks: str) -> Callable[[Any], Iterator[Names]]:
    def names(of: Any) -> Iterator[Names]:
        yield ("version",), (kind, of.order_id)
        yield ("answers",), (asks, of.order_id)

    return names


def _operation_no(of: Any) -> Iterator[Names]:
    yield ("operation_no",), ("operations", of.order_id)


def _operation(of: billing.Operation) -> Iterator[Names]:
    yield ("no",), ("operations", of.order_id)
    yield ("hold",), ("operations", of.order_id)


_VERSIONS: dict[type, Callable[[Any], Iterator[Names]]] = {
    order.Stock: _stock,
    order.Money: _money,
    order.Shipment: _heard("shipment", "shipment_id"),
    order.Return: _heard("return", "return_id"),
    inventory.StockOrder: _answering("stock", "stock asks"),
    fulfilment.Shipment: _said("shipment", "shipment_id"),
    fulfilment.Return: _said("return", "return_id"),
    billing.Account: _account,
    billing.Operation: _operation,
    ReserveStock: _said("stock asks"),
    AuthorisePayment: _said("money asks"),
    StockStatement: _answering("stock", "stock asks"),
    MoneyStatement: _answering("money", "money asks"),
    ShipmentStatement: _said("shipment", "shipment_id"),
    ReturnStatement: _said("return", "return_id"),
    CallProvider: _operation_no,
    OperationDue: _operation_no,
    AuthorisationEnds: _operation_no,
}


def _get(of: Any, path: tuple[str | int, ...]) -> int:
    for step in path:
        of = of[step] if isinstance(step, int) else getattr(of, step)
    number: int = of
    return number


def _set(of: Any, path: tuple[str | int, ...], value: Any) -> Any:
    step, rest = path[0], path[1:]
    if rest:
        value = _set(of[step] if isinstance(step, int) else getattr(of, step), rest, value)
    if isinstance(step, int):
        return (*of[:step], value, *of[step + 1 :])
    return of.model_copy(update={step: value}) if isinstance(of, Message) else replace(of, **{step: value})


# What a state need not remember


_FORGOTTEN: dict[type, dict[str, Any]] = {
    order.Progress: {"reason": "", "asked_at": None},
    inventory.StockOrder: {"routing": ()},
    inventory.Seen: {"version": 0},
    CallProvider: {"idempotency_key": ""},
    CancelShipment: {"reason": ""},
}
"""Texts for people, and what nothing looks at again."""


def remembered(row: Row) -> Row | None:
    """The row as far as later decisions can depend on it; None when it is not loaded any more."""
    if isinstance(row, billing.Operation) and row.state in ("done", "refused"):
        return None
    if isinstance(row, inventory.Queued) and not row.quantity:
        return None
    if isinstance(row, order.Progress) and row.version:
        row = replace(row, version=1)
    if isinstance(row, fulfilment.Shipment) and row.state == "cancelled":
        row = replace(row, reason="")
    forgotten = _FORGOTTEN.get(type(row))
    return row if forgotten is None else replace(row, **forgotten)  # type: ignore[type-var]


# Local states


@dataclass(frozen=True, slots=True)
class Action:
    """Something that reaches one service: a message, a timer that fires, an answer to a call, a person's word."""

    message: Message
    timer: str = ""  # the key of the timer that fires
    call: int = -1  # the number of the call that is answered
    now: datetime = T0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one decision leaves: its service's next local state, and what it sends."""

    local: int
    sent: tuple[int, ...] = ()
    waits: bool = False  # Missing or Refused: nothing happens now
    breach: str = ""  # parked, or a law is broken
    refused: str = ""


class Local:
    """The committed state of one service: numbers of rows, timers and calls."""

    __slots__ = ("calls", "group", "refs", "rows", "service", "timers")

    def __init__(self, service: int, rows: tuple[int, ...], timers: tuple[int, ...], calls: tuple[int, ...]) -> None:
        self.service, self.rows, self.timers, self.calls = service, rows, timers, calls
        self.group: dict[tuple[type[Row], Hashable], list[Row]] | None = None
        self.refs: tuple[tuple[Thing, tuple[int, ...]], ...] = ()


Check = Callable[["Machine", int, int, int, Message, list[Effect]], str]


class Machine:
    """Keeps every row, message and local state once, and runs every decision once."""

    def __init__(
        self,
        *,
        no_consent: str = "wait",
        labels: bool = True,
        silent_timers: Iterable[str] = ("answer_by",),
        check: Check | None = None,
        ranks: bool = True,
    ) -> None:
        """`silent_timers`: those that never fire, by the beginning of their key; they are not kept."""
        self.policies = policies(no_consent, labels)
        self.silent = tuple(silent_timers)
        self.check = check
        self.ranks = ranks
        self.strict = True  # no issue without a reservation; not so where counts may go wrong
        self.things: list[Any] = []  # rows, calls, (key, due, message) of timers
        self._thing_ids: dict[Any, int] = {}
        self._refs: list[tuple[tuple[Thing, int], ...]] = []
        self.locals: list[Local] = []
        self._local_ids: dict[tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]], int] = {}
        self.messages: list[tuple[int, Message]] = []  # (reader, message)
        self.names: list[set[str]] = []
        self._message_ids: dict[tuple[int, Any], int] = {}
        self.message_refs: list[tuple[tuple[Thing, tuple[int, ...]], ...]] = []
        self._outcomes: dict[tuple[int, Action | int], Outcome] = {}
        self._relabelled: dict[tuple[Any, ...], int] = {}
        self.decisions: list[tuple[int, Message, int, int]] = []  # of the order: (number, message, before, after)
        self.readers: dict[type[Message], tuple[int, ...]] = {}
        for service, handlers in enumerate(HANDLERS):
            for kind in handlers:
                self.readers[kind] = (*self.readers.get(kind, ()), service)

    # Numbers

    def thing(self, value: Any) -> int:
        known = self._thing_ids.get(value)
        if known is not None:
            return known
        number = self._thing_ids[value] = len(self.things)
        self.things.append(value)
        carrier = value[2] if isinstance(value, tuple) else value
        self._refs.append(tuple((thing, _get(carrier, path)) for path, thing in versions(carrier)))
        return number

    def local(self, service: int, rows: Iterable[int], timers: Iterable[int], calls: Iterable[int]) -> int:
        key = (service, tuple(sorted(rows)), tuple(sorted(timers)), tuple(sorted(set(calls))))
        known = self._local_ids.get(key)
        if known is not None:
            return known
        number = self._local_ids[key] = len(self.locals)
        made = Local(*key)
        used: dict[Thing, set[int]] = {}
        for part in (*made.rows, *made.timers, *made.calls):
            for thing, version in self._refs[part]:
                if version:
                    used.setdefault(thing, set()).add(version)
        made.refs = tuple((thing, tuple(numbers)) for thing, numbers in used.items())
        self.locals.append(made)
        return number

    def message(self, reader: int, message: Message, *, told: bool = True) -> int:
        """The number of a message to this reader. Not `told`: nobody sent it, a law only asks what it would do."""
        key: tuple[int, Any] = (reader, message)
        if reader == ORDER_:
            for base in STATEMENTS:
                if isinstance(message, base):
                    key = (reader, plain(base, message))
        known = self._message_ids.get(key)
        if known is None:
            known = self._message_ids[key] = len(self.messages)
            self.messages.append((reader, message))
            self.names.append(set())
            used: dict[Thing, set[int]] = {}
            for path, thing in versions(message):
                if number := _get(message, path):
                    used.setdefault(thing, set()).add(number)
            self.message_refs.append(tuple((thing, tuple(numbers)) for thing, numbers in used.items()))
        if told:
            self.names[known].add(type(message).__name__)
        return known

    def rows(self, local: int) -> dict[tuple[type[Row], Hashable], list[Row]]:
        """The rows of a local state by kind and group, each group in the order of its keys."""
        of = self.locals[local]
        if of.group is None:
            group: dict[tuple[type[Row], Hashable], list[Row]] = {}
            for number in of.rows:
                row = self.things[number]
                group.setdefault((type(row), getattr(row, row.GROUP)), []).append(row)
            for found in group.values():
                found.sort(key=key_of)
            of.group = group
        return of.group

    def all(self, local: int, kind: type[Any]) -> list[Any]:
        return [row for (of, _), rows in self.rows(local).items() if of is kind for row in rows]

    # Ranks

    def ranked(self, state: tuple[int, int, int, int], messages: tuple[int, ...]) -> tuple[Any, tuple[int, ...]]:
        """The same state with every version replaced by its rank among those that are still in use."""
        if not self.ranks:
            return state, messages
        used: dict[Thing, set[int]] = {}
        for local in state:
            for thing, numbers in self.locals[local].refs:
                known = used.get(thing)
                if known is None:
                    used[thing] = set(numbers)
                else:
                    known.update(numbers)
        for message in messages:
            for thing, numbers in self.message_refs[message]:
                known = used.get(thing)
                if known is None:
                    used[thing] = set(numbers)
                else:
                    known.update(numbers)
        mapped: dict[Thing, dict[int, int]] = {}
        for thing, values in used.items():
            if max(values) != len(values):
                mapped[thing] = {number: rank for rank, number in enumerate(sorted(values), 1)}
        if not mapped:
            return state, messages
        return (
            tuple(self._relabel_local(local, mapped) for local in state),
            tuple(sorted(self._relabel_message(message, mapped) for message in messages)),
        )

    def _relabel_local(self, number: int, mapped: Mapped) -> int:
        of = self.locals[number]
        change = [
            (thing, tuple((n, mapped[thing][n]) for n in numbers)) for thing, numbers in of.refs if thing in mapped
        ]
        if not any(a != b for _, pairs in change for a, b in pairs):
            return number
        key = ("local", number, *change)
        known = self._relabelled.get(key)
        if known is None:
            known = self._relabelled[key] = self.local(
                of.service,
                [self._relabel_thing(part, mapped) for part in of.rows],
                [self._relabel_thing(part, mapped) for part in of.timers],
                [self._relabel_thing(part, mapped) for part in of.calls],
            )
        return known

    def _relabel_thing(self, number: int, mapped: Mapped) -> int:
        refs = self._refs[number]
        if not any(thing in mapped and mapped[thing].get(n, n) != n for thing, n in refs):
            return number
        value = self.things[number]
        if not isinstance(value, tuple):
            return self.thing(renumbered(value, mapped))
        key, due, message = value
        message = renumbered(message, mapped)
        if isinstance(message, AuthorisationEnds):
            key = f"expiry:{message.order_id}:{message.operation_no}"
        return self.thing((key, due, message))

    def _relabel_message(self, number: int, mapped: Mapped) -> int:
        change = [
            (thing, tuple((n, mapped[thing][n]) for n in numbers))
            for thing, numbers in self.message_refs[number]
            if thing in mapped
        ]
        if not any(a != b for _, pairs in change for a, b in pairs):
            return number
        key = ("message", number, *change)
        known = self._relabelled.get(key)
        if known is None:
            reader, message = self.messages[number]
            known = self._relabelled[key] = self.message(reader, renumbered(message, mapped), told=False)
        self.names[known] |= self.names[number]
        return known

    # Decisions

    def outcome(self, local: int, action: Action | int) -> Outcome:
        """What happens when this reaches the service; an int is the number of a message."""
        key = (local, action)
        known = self._outcomes.get(key)
        if known is None:
            known = self._outcomes[key] = self._decide(local, action)
        return known

    def _decide(self, local: int, action: Action | int) -> Outcome:
        of = self.locals[local]
        number = -1
        if isinstance(action, int):
            number = action
            action = Action(self.messages[action][1])
        message = action.message
        handler = HANDLERS[of.service].get(type(message))
        assert handler is not None, f"{SERVICES[of.service]} does not handle {type(message).__name__}"
        groups = self.rows(local)
        rows = Rows()
        ctx = Context(action.now, _no_id, self.policies[of.service], UUID(int=0), "explorer")
        try:
            wanted = dict.fromkeys(handler.needs(message))
            self._load(rows, groups, wanted)
            if handler.more is not None:
                self._load(rows, groups, dict.fromkeys(w for w in handler.more(message, rows) if w not in wanted))
            effects = list(handler.decide(message, rows, ctx))
            rows.put([effect for effect in effects if isinstance(effect, Row)])
        except (Missing, Refused) as why:
            return Outcome(local, waits=True, refused=f"{type(why).__name__}: {why}")
        except Exception as error:  # whatever is raised would be parked, and nothing may be parked
            return Outcome(local, breach=f"{SERVICES[of.service]} parks it: {type(error).__name__}: {error}")
        after = self._commit(of, action, rows, effects)
        sent = tuple(dict.fromkeys(self._sent(effects)))
        if of.service == ORDER_:
            self.decisions.append((number, message, local, after))
        breach = self.check(self, of.service, local, after, message, effects) if self.check else ""
        return Outcome(after, sent, breach=breach)

    def _load(self, rows: Rows, groups: dict[Any, list[Row]], wanted: Iterable[tuple[type[Row], Hashable]]) -> None:
        for kind, group in wanted:
            rows.declare(kind, group)
            for row in groups.get((kind, group), ()):
                rows.loaded(row)

    def _commit(self, of: Local, action: Action, rows: Rows, effects: list[Effect]) -> int:
        changed = {(kind, key) for kind, found in rows.changed.items() for key in found}
        kept = of.rows
        if changed:
            kept = tuple([n for n in of.rows if (type(r := self.things[n]), key_of(r)) not in changed])
            new = [remembered(row) for found in rows.changed.values() for row in found.values()]
            if "answer_by" in self.silent:
                new = [replace(r, answer_by=None) if isinstance(r, order.Progress) else r for r in new]
            kept = (*kept, *(self.thing(row) for row in new if row is not None))
        timers = {self.things[n][0]: n for n in of.timers}
        timers.pop(action.timer, None)
        calls = [n for n in of.calls if n != action.call]
        for effect in effects:
            if isinstance(effect, Timer):
                if effect.due_at is None:
                    timers.pop(effect.key, None)
                elif not effect.key.startswith(self.silent):
                    timers[effect.key] = self.thing((effect.key, effect.due_at, effect.message))
            elif isinstance(effect, Call):
                calls.append(self.thing(_shorn(effect.message)))
        return self.local(of.service, kept, timers.values(), calls)

    def _sent(self, effects: list[Effect]) -> Iterator[int]:
        for effect in effects:
            if isinstance(effect, Message):
                effect = _shorn(effect)
                for reader in self.readers.get(type(effect), ()):
                    if any(True for _ in HANDLERS[reader][type(effect)].needs(effect)):  # else it changes nothing
                        yield self.message(reader, effect)


def _shorn(message: Any) -> Any:
    forgotten = _FORGOTTEN.get(type(message))
    return message if forgotten is None else message.model_copy(update=forgotten)


def renumbered(of: Any, mapped: Mapped) -> Any:
    """The same row or message with its versions replaced."""
    for path, thing in versions(of):
        old = _get(of, path)
        if old and (new := mapped.get(thing, {}).get(old, old)) != old:
            of = _set(of, path, new)
    return of


def changed_fields(before: Row, after: Row) -> dict[str, tuple[Any, Any]]:
    """What differs between two rows of one kind, for stories."""
    return {
        f.name: (getattr(before, f.name), getattr(after, f.name))
        for f in fields(before)  # type: ignore[arg-type]
        if getattr(before, f.name) != getattr(after, f.name)
    }
