"""The running values of one decision: rows are never changed in place, so a decision keeps the newest of each here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from uuid import UUID

from services.inventory.domain.routing import choose, explain, in_order_of_preference
from services.inventory.domain.rows import (
    REALM,
    Demand,
    Expected,
    Item,
    Level,
    Movement,
    Policy,
    Queue,
    Queued,
    Reservation,
    StockOrder,
    Warehouse,
    page_of,
    place_of,
)
from shared.contracts.inventory import (
    AnnounceAvailability,
    PromiseAgain,
    PromiseDue,
    ServeQueue,
    StockBackordered,
    StockIssued,
    StockRejected,
    StockReleased,
    StockReserved,
)
from shared.contracts.message import Event
from shared.messaging.decision import Context, Effect, Missing, Rows, Timer

News = type[StockReserved | StockBackordered | StockRejected | StockReleased | StockIssued]


class Shelves:
    """Levels and queues of the SKUs that a decision looks at, with the movements that explain them."""

    def __init__(self, rows: Rows, ctx: Context[Policy]) -> None:
        self.rows, self.ctx = rows, ctx
        self._levels: dict[str, dict[str, Level]] = {}
        self._queues: dict[str, Queue] = {}
        self._pages: dict[str, dict[tuple[UUID, int], Queued]] = {}
        self._changed: dict[tuple[str, ...], Level | Queue] = {}
        self._queued: dict[tuple[str, UUID, int], Queued] = {}
        self.movements: list[Movement] = []
        self.freed: dict[str, None] = {}  # SKUs of which somebody may be served now, in order
        self.overtaken: dict[str, None] = {}  # SKUs of which somebody lost a place in the queue

    def item(self, sku: str) -> Item | None:
        return self.rows.find(Item, sku)

    def levels(self, sku: str) -> dict[str, Level]:
        levels = self._levels.get(sku)
        if levels is None:
            levels = self._levels[sku] = {level.warehouse: level for level in self.rows.group(Level, sku)}
        return levels

    def level(self, sku: str, warehouse: str) -> Level:
        return self.levels(sku).get(warehouse) or Level(sku, warehouse)

    def put(self, level: Level) -> None:
        sku, warehouse = level.sku, level.warehouse
        self.levels(sku)[warehouse] = self._changed[sku, warehouse] = level

    def reserve(self, sku: str, warehouse: str, pieces: int) -> None:
        """More is promised, or less if negative; the total stays within what is on hand."""
        level = self.level(sku, warehouse)
        reserved = level.reserved + pieces
        self.put(Level(sku, warehouse, level.on_hand, reserved, level.quarantined, level.to_count, level.due))
        if pieces < 0:
            self.freed[sku] = None

    def move(self, movement: Movement, *, to_count: bool | None = None, kept_promises: int = 0) -> Level:
        """Books one movement; it is the only way on_hand and quarantined change (I1).

        `kept_promises`: so much of it was reserved, and is no longer.
        """
        level = self.level(movement.sku, movement.warehouse)
        level = Level(
            level.sku,
            level.warehouse,
            level.on_hand + movement.on_hand,
            level.reserved - kept_promises,
            level.quarantined + movement.quarantined,
            level.to_count if to_count is None else to_count,
            level.due,
        )
        self.put(level)
        self.movements.append(movement)
        if movement.on_hand > 0:
            self.freed[movement.sku] = None
        return level

    def queue(self, sku: str) -> Queue:
        queue = self._queues.get(sku)
        if queue is None:
            queue = self._queues[sku] = self.rows.find(Queue, sku) or Queue(sku)
        return queue

    def free(self, sku: str) -> int:
        return sum(level.available for level in self.levels(sku).values())

    def page(self, page: str) -> dict[tuple[UUID, int], Queued]:
        """Who waits in one part of a queue, in the order of serving."""
        entries = self._pages.get(page)
        if entries is None:
            waiting = (e for e in self.rows.group(Queued, page) if e.quantity and e.page == page)
            entries = {(e.order_id, e.line_no): e for e in sorted(waiting, key=lambda e: e.place)}
            self._pages[page] = entries
        return entries

    def wait(self, order: StockOrder, line_no: int, sku: str, pieces: int) -> None:
        """So much of this line waits from now on; 0 takes it out of the queue."""
        page = page_of(sku, order.priority, order.placed_at)
        entries = self.page(page)
        known = entries.get((order.order_id, line_no))
        before = known.quantity if known else 0
        if before == pieces:
            return
        place = place_of(order.placed_at, order.order_id, line_no)
        entry = Queued(sku, order.order_id, line_no, page, place, pieces)
        self._queued[sku, order.order_id, line_no] = entry
        if pieces:
            entries[order.order_id, line_no] = entry
        else:
            entries.pop((order.order_id, line_no), None)
        queue = self.queue(sku)
        sums = {name: n for name, n in queue.sums if name in queue.pages and name != page}
        if entries:
            sums[page] = sum(e.quantity for e in entries.values())
        pages = queue.pages
        if entries and page not in pages:
            pages = tuple(sorted((*pages, page)))
        elif not entries and page in pages:
            pages = tuple(name for name in pages if name != page)
        waiting = max(0, queue.waiting + pieces - before)
        queue = self._queues[sku] = Queue(sku, waiting, pages, tuple(sorted(sums.items())), queue.announced)
        self._changed[(sku,)] = queue
        if pieces > before and page < pages[-1]:
            self.overtaken[sku] = None

    def ahead(self, sku: str, page: str, place: str) -> int:
        """Pieces that are served up to this place of a queue, itself included."""
        queue = self.queue(sku)
        before = sum(pieces for name, pieces in queue.sums if name < page and name in queue.pages)
        return before + sum(e.quantity for e in self.page(page).values() if e.place <= place)

    def promise_for(self, sku: str, owed: int) -> tuple[date | None, bool]:
        """The day on which the first `owed` pieces in line should be served, and whether a receipt gives it (R-24).

        What is overdue comes last, on a day that nobody knows (R-25): None. Without enough receipts it is the lead time
        from now.
        """
        broken, coming, overdue = self.broken, 0, 0
        for expected in sorted(self.rows.group(Expected, sku), key=lambda e: (e.expected_on, e.reference)):
            if expected.expected_on <= broken:
                overdue += expected.incoming
                continue
            coming += expected.incoming
            if expected.incoming and coming >= owed:
                return expected.expected_on, True
        if overdue and coming + overdue >= owed:
            return None, True
        item = self.item(sku)
        return self.ctx.now.date() + timedelta(days=max(1, item.lead_days if item else 1)), False

    @property
    def broken(self) -> date:
        """A day that was promised for this one, or for one before, has come in vain."""
        return self.ctx.now.date() - timedelta(days=self.ctx.policy.promise_grace_days)

    def announce(self) -> Iterator[Timer]:
        """One timer per SKU of which stock moved, unless one is armed: who changes a hot SKU writes nothing more."""
        if self.ctx.policy.announce_after is None:
            return
        for row in tuple(self._changed.values()):
            if isinstance(row, Level) and not any(level.due for level in self.levels(row.sku).values()):
                self.put(replace(row, due=True))
                yield announcement(self.ctx, row.sku)

    def effects(self) -> Iterator[Effect]:
        yield from self.announce()
        yield from self._changed.values()
        yield from self._queued.values()
        yield from self.movements
        for sku in self.freed:
            queue = self.queue(sku)
            if queue.pages and self.free(sku) > 0:
                yield serve(self.ctx, sku, queue.pages[0])
        for sku in self.overtaken:
            yield repromise(self.ctx, sku, at=soon(self.ctx.now))


def serve(ctx: Context[Policy], sku: str, page: str, after: str | None = None) -> Timer:
    """One timer per SKU starts with the first in line; another goes on, so that neither can put off the other."""
    key = f"queue:{sku}" if after is None else f"queue-on:{sku}"
    return Timer(key, ctx.now, ServeQueue(sku=sku, page=page, after=after or ""))


def announcement(ctx: Context[Policy], sku: str) -> Timer:
    """A while after the first change, however many follow it: channels are told of what it came to by then."""
    at = ctx.now + (ctx.policy.announce_after or timedelta())
    return Timer(f"announce:{sku}", at, AnnounceAvailability(sku=sku))


def soon(now: datetime) -> datetime:
    """The next time that the clock shows a multiple of ten seconds: setting the timer anew does not put it off."""
    return now.replace(microsecond=0) + timedelta(seconds=10 - now.second % 10)


def repromise(
    ctx: Context[Policy], sku: str, page: str = "", after: str | None = None, at: datetime | None = None
) -> Timer:
    """All who wait for the SKU are looked at, the first in line first; the timers are as in `serve`."""
    key = f"promises:{sku}" if after is None else f"promises-on:{sku}"
    return Timer(key, at or ctx.now, PromiseAgain(sku=sku, page=page, after=after or ""))


def waiting_for(demands: dict[int, Demand]) -> tuple[str, ...]:
    return tuple(sorted({d.sku for d in demands.values() if d.backordered}))


class Promises:
    """What is promised to one order."""

    def __init__(self, shelves: Shelves, order: StockOrder, no_goods: frozenset[int] = frozenset()) -> None:
        """`no_goods`: lines of postage and services, as far as the order has just said."""
        self.shelves, self.ctx, self.order = shelves, shelves.ctx, order
        self.no_goods = no_goods
        rows = shelves.rows
        self.routing = order.routing
        self.demands = {d.line_no: d for d in rows.group(Demand, order.order_id)}
        self._before = rows.group(Reservation, order.order_id)
        self._demands = dict(self.demands)
        self._held: dict[int, dict[str, Reservation]] = {}  # line, warehouse
        for r in self._before:
            self.put(r)

    # What is held

    def of_line(self, line_no: int) -> list[Reservation]:
        return list(self._held.get(line_no, {}).values())

    def all(self) -> Iterator[Reservation]:
        for line in self._held.values():
            yield from line.values()

    def reservation(self, line_no: int, warehouse: str, sku: str) -> Reservation:
        known = self._held.get(line_no, {}).get(warehouse)
        if known is not None:
            return known
        item = self.item(line_no, sku)
        return Reservation(self.order.order_id, line_no, warehouse, sku, item is None or item.stocked)

    def item(self, line_no: int, sku: str) -> Item | None:
        """What the line is of. Postage and services need not be known here; goods must."""
        item = self.shelves.item(sku)
        if item is None and (line_no in self.no_goods or any(not r.stocked for r in self.of_line(line_no))):
            return Item(sku, "", stocked=False, backorderable=False, lead_days=0)
        return item

    def put(self, reservation: Reservation) -> None:
        self._held.setdefault(reservation.line_no, {})[reservation.warehouse] = reservation

    def missing(self, line_no: int) -> int:
        """Target of a line less what is reserved; negative: too much is reserved."""
        reserved = issued = 0
        for r in self._held.get(line_no, {}).values():
            reserved += r.reserved
            issued += r.issued
        return max(0, self.demands[line_no].wanted - issued) - reserved

    def change(self, r: Reservation, pieces: int) -> None:
        """Reserves so many more, or fewer if negative, at the place of this reservation."""
        self.put(
            Reservation(
                r.order_id,
                r.line_no,
                r.warehouse,
                r.sku,
                r.stocked,
                r.reserved + pieces,
                r.issued,
                r.lost,
                r.kept,
                r.most,
            )
        )
        if r.stocked:
            self.shelves.reserve(r.sku, r.warehouse, pieces)

    def add(self, line_no: int, warehouse: str, pieces: int, *, stocked: bool) -> None:
        """Reserves so many more at a place that the line may not have yet."""
        known = self._held.get(line_no, {}).get(warehouse)
        if known is not None:
            self.change(known, pieces)
            return
        sku = self.demands[line_no].sku
        self.put(Reservation(self.order.order_id, line_no, warehouse, sku, stocked, pieces))
        if stocked:
            self.shelves.reserve(sku, warehouse, pieces)

    # Rule 1 of inventory

    def settle(self, lines: Iterable[int], *, cap: bool = True) -> None:
        """Makes these lines right: gives back what is too much, takes what is missing, queues or rejects the rest.

        `cap`: pieces that others wait for are not taken (R-26); who is served from the queue takes all he can.
        """
        missing = {line_no: self.give_back(line_no) for line_no in lines}
        self.take(missing, cap)
        for line_no in missing:
            self.queue_or_reject(line_no)

    def give_back(self, line_no: int) -> int:
        """Down to the limits and the target, but never below what is in a shipment already (kept).

        Gives what the line misses then, like `missing`.
        """
        for r in self.of_line(line_no):
            if r.most is not None and (less := min(r.reserved, r.promised - max(r.most, r.kept))) > 0:
                self.change(r, -less)
        too_much = -self.missing(line_no)
        if too_much <= 0:
            return -too_much
        ranks = {w.code: n for n, w in enumerate(self.preferred())}
        parcels = self.pieces_by_warehouse()  # the smallest parcel shrinks first, so that it may vanish
        for r in sorted(
            self.of_line(line_no),
            key=lambda r: (parcels.get(r.warehouse, 0), -ranks.get(r.warehouse, len(ranks)), r.warehouse),
        ):
            less = min(too_much, r.reserved, r.promised - r.kept)
            if less > 0:
                self.change(r, -less)
                too_much -= less
        return -too_much

    def preferred(self) -> list[Warehouse]:
        return in_order_of_preference(self.shelves.rows.group(Warehouse, REALM), self.order.country)

    def pieces_by_warehouse(self) -> dict[str, int]:
        pieces: dict[str, int] = {}
        for r in self.all():
            if r.reserved:
                pieces[r.warehouse] = pieces.get(r.warehouse, 0) + r.reserved
        return pieces

    def room(self, line_no: int, warehouse: str, most: int) -> int:
        """How much more the line may have there, up to `most`: less if the warehouse refused to ship it."""
        r = self._held.get(line_no, {}).get(warehouse)
        return most if r is None or r.most is None else max(0, min(most, r.most - r.promised))

    def take(self, missing: Mapping[int, int], cap: bool) -> None:
        short: dict[int, int] = {}
        aside: dict[int, int] = {}
        for line_no, pieces in missing.items():
            if pieces > 0 and (item := self.item(line_no, self.demands[line_no].sku)) is not None:
                (short if item.stocked else aside)[line_no] = pieces
        if not short and not aside:
            return
        warehouses = self.preferred()
        if short:
            self.take_stocked(short, warehouses, cap)
        for line_no, pieces in aside.items():
            self.take_aside(line_no, pieces, warehouses)

    def take_stocked(self, short: dict[int, int], warehouses: list[Warehouse], cap: bool) -> None:
        """Demand is summed per SKU before it is checked (SC-02), then given out to the lines."""
        shelves = self.shelves
        missing: dict[str, int] = {}
        lines: dict[str, list[int]] = {}
        for line_no, pieces in short.items():
            sku = self.demands[line_no].sku
            missing[sku] = missing.get(sku, 0) + pieces
            lines.setdefault(sku, []).append(line_no)
        limits = {r.line_no for r in self.all() if r.most is not None}
        free: dict[str, dict[str, int]] = {w.code: {} for w in warehouses}
        limited: set[str] = set()
        for sku, pieces in missing.items():
            bound = not limits.isdisjoint(lines[sku])
            for code, level in shelves.levels(sku).items():
                can = pieces
                if bound and (can := sum(min(short[n], self.room(n, code, short[n])) for n in lines[sku])) < pieces:
                    limited.add(code)
                if code in free and (can := min(can, level.available)) > 0:
                    free[code][sku] = can
            if cap and (queue := shelves.queue(sku)).waiting:
                own = sum(d.backordered for d in self.demands.values() if d.sku == sku)
                missing[sku] = max(0, min(pieces, shelves.free(sku) - max(0, queue.waiting - own)))
                shelves.freed[sku] = None  # the turn of the others is now, and then this order's
        wanted = {sku: pieces for sku, pieces in missing.items() if pieces}
        held = [code for code in self.pieces_by_warehouse() if code in free]
        chosen = choose(list(free), held, free, wanted)
        self.routing = explain(warehouses, chosen, held, free, limited, wanted, self.order.country)
        for line_no in sorted(short, key=lambda n: n not in limits):  # who may not go anywhere chooses first
            sku = self.demands[line_no].sku
            if pieces := min(short[line_no], missing[sku]):
                missing[sku] -= self.give_out(line_no, sku, pieces, chosen, free)

    def give_out(self, line_no: int, sku: str, pieces: int, chosen: Sequence[str], all_: Iterable[str]) -> int:
        """From one chosen place that has them all, else from all that there are, the chosen first. Gives how many."""
        for code in chosen:
            if self.takable(line_no, sku, code, pieces) == pieces:
                self.add(line_no, code, pieces, stocked=True)
                return pieces
        left = pieces
        for code in (*chosen, *(code for code in all_ if code not in chosen)):
            if (more := self.takable(line_no, sku, code, left)) > 0:
                self.add(line_no, code, more, stocked=True)
                left -= more
        return pieces - left

    def takable(self, line_no: int, sku: str, warehouse: str, most: int) -> int:
        """How much the line can have there of what is free, up to `most`."""
        return min(self.room(line_no, warehouse, most), self.shelves.level(sku, warehouse).available)

    def take_aside(self, line_no: int, missing: int, warehouses: list[Warehouse]) -> None:
        """Postage and services go with the largest parcel; nothing moves on any shelf.

        A warehouse that is closed has nothing to do for them: where all are, they stay, and wait for their goods.
        """
        if not warehouses:
            raise Missing("no warehouse is registered")
        pieces = self.pieces_by_warehouse()
        ranked = sorted(warehouses, key=lambda w: -pieces.get(w.code, 0))  # stable: else by preference
        for w in ranked:
            if (more := self.room(line_no, w.code, missing)) > 0:
                self.add(line_no, w.code, more, stocked=False)
                missing -= more
            if not missing:
                return
        self.add(line_no, ranked[0].code, missing, stocked=False)

    def refused(self, line_no: int) -> list[Reservation]:
        """Places of the line at warehouses that refuse to ship it for now; no day is promised meanwhile."""
        return [r for r in self.of_line(line_no) if r.most is not None]

    def queue_or_reject(self, line_no: int) -> None:
        demand, short = self.demands[line_no], max(0, self.missing(line_no))
        if not short and not demand.backordered and not demand.rejected:
            return
        item = self.item(line_no, demand.sku)
        refused = self.refused(line_no)
        there = any(self.shelves.level(r.sku, r.warehouse).available > 0 for r in refused)
        waits = bool(item and item.stocked and (item.backorderable or there))
        if (short or demand.backordered) and item and item.stocked:
            self.shelves.wait(self.order, line_no, demand.sku, short if waits else 0)
        if short and not waits:
            reason = "unknown SKU" if item is None else "sold out"
            changed = replace(demand, backordered=0, promised_on=None, by_receipt=False, rejected=short, reason=reason)
        elif short:
            was_refused = any(r.most is not None and r.line_no == line_no for r in self._before)
            stands = 0 < short <= demand.backordered and was_refused == bool(refused)
            changed = replace(demand, backordered=short, rejected=0, reason="")
            changed = changed if stands else self.promised_anew(changed)
        else:
            changed = replace(demand, backordered=0, promised_on=None, by_receipt=False, rejected=0, reason="")
        self.demands[line_no] = changed

    def promised_anew(self, demand: Demand, owed: int | None = None) -> Demand:
        """With the day that its place in the queue gives it now. `owed`: the pieces up to there, if they are known.

        No day while a warehouse refuses the line: what is expected elsewhere is not what it waits for.
        """
        if self.refused(demand.line_no):
            return replace(demand, promised_on=None, by_receipt=False)
        shelves, order = self.shelves, self.order
        if owed is None:
            place = place_of(order.placed_at, order.order_id, demand.line_no)
            owed = shelves.ahead(demand.sku, page_of(demand.sku, order.priority, order.placed_at), place)
        day, by_receipt = shelves.promise_for(demand.sku, owed)
        return replace(demand, promised_on=day, by_receipt=by_receipt)

    # What is told

    def effects(self, *also: News) -> Iterator[Effect]:
        """The changed rows, and a newer statement: always, also if nothing changed.

        `also`: news besides how the order stands now, which is then told only if it needs telling.
        """
        o, due = self.order, self.first_promise()
        if due is None:
            if o.promise_due is not None:
                yield Timer(f"promise:{o.order_id}", None)
        elif due != o.promise_due or waiting_for(self.demands) != waiting_for(self._demands):
            yield self.promise_timer(due)
        self.order = StockOrder(
            o.order_id, o.version + 1, o.answers, o.placed_at, o.priority, o.country, self.routing, due
        )
        yield self.order
        for line_no, demand in self.demands.items():
            if demand is not self._demands.get(line_no):
                yield demand
        yield from self.changed_reservations()
        for kind in (*also, *self.standing(quiet=bool(also))):
            yield self.statement(kind)

    def changed_reservations(self) -> list[Reservation]:
        before = {id(r) for r in self._before}  # rows are frozen: one that changed is another object
        return [r for r in self.all() if id(r) not in before]

    def changed(self) -> bool:
        return self.demands != self._demands or bool(self.changed_reservations())

    def first_promise(self) -> date | None:
        return min([d.promised_on for d in self.demands.values() if d.backordered and d.promised_on], default=None)

    def promise_timer(self, due: date) -> Timer:
        """Fires when the first promised day has gone by."""
        message = PromiseDue(order_id=self.order.order_id, skus=waiting_for(self.demands))
        return Timer(f"promise:{self.order.order_id}", self.due_at(due), message)

    def due_at(self, day: date) -> datetime:
        midnight = datetime.combine(day, time.min, self.ctx.now.tzinfo)
        return midnight + timedelta(days=self.ctx.policy.promise_grace_days)

    def standing(self, *, quiet: bool) -> Iterator[News]:
        """How the order stands. `quiet`: only what is newly backordered or rejected."""
        before = self._demands
        rejected = [n for n, d in self.demands.items() if d.rejected]
        backordered = [n for n, d in self.demands.items() if d.backordered]
        if quiet:
            rejected = [n for n in rejected if self.demands[n] != before.get(n)]
            backordered = [n for n in backordered if self.demands[n] != before.get(n)]
        if rejected:
            yield StockRejected
        if backordered:
            yield StockBackordered
        if not rejected and not backordered and not quiet:
            anything = any(r.reserved or r.issued for r in self.all())
            yield StockReserved if anything else StockReleased

    def statement(self, kind: News) -> Event:
        """How the order stands. It is validated as a whole, which is cheaper than line by line."""
        order = self.order
        return kind.model_validate(
            {
                "order_id": order.order_id,
                "version": order.version,
                "answers": order.answers,
                "promises": [
                    {
                        "line_no": r.line_no,
                        "warehouse": r.warehouse,
                        "reserved": r.reserved,
                        "issued": r.issued,
                        "lost": r.lost,
                    }
                    for r in sorted(self.all(), key=lambda r: (r.line_no, r.warehouse))
                    if r.promised
                ],
                "lines": [
                    {
                        "line_no": d.line_no,
                        "backordered": d.backordered,
                        "promised_on": d.promised_on,
                        "rejected": d.rejected,
                        "reason": d.reason,
                    }
                    for _, d in sorted(self.demands.items())
                    if d.backordered or d.rejected
                ],
            }
        )
