"""Kits as the order service tells of them: how many could be made of what is free (R-30). No stock is theirs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from services.inventory.domain.rows import Ctx, Item, Kit, KitPart, Level
from services.inventory.domain.working import announcement
from shared.contracts.inventory import AnnounceAvailability, Availability, AvailabilityChanged
from shared.contracts.order import Component, KitChanged
from shared.messaging.decision import Effect, Needs, Rows, Timer


def to_keep_kit(m: KitChanged) -> Needs:
    yield Kit, m.sku
    yield from ((KitPart, component.sku) for component in m.components)


def to_keep_kit_besides(m: KitChanged, rows: Rows) -> Needs:
    known = rows.find(Kit, m.sku)
    return ((KitPart, component.sku) for component in (known.components if known else ()))


def keep_kit(m: KitChanged, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """What it consists of from now on; what is older than that is known already."""
    known = rows.find(Kit, m.sku) or Kit(m.sku, (), 0)
    if m.version <= known.version:
        return
    pieces = {component.sku: 0 for component in known.components}
    pieces |= {component.sku: component.pieces for component in m.components}
    yield replace(known, components=m.components, version=m.version)
    yield from (KitPart(sku, m.sku, count) for sku, count in pieces.items())
    if ctx.policy.announce_after:
        yield announcement(ctx, m.sku)


def sets_of(components: Iterable[Component], pieces: Mapping[str, int]) -> int:
    """So many kits can be made of so many pieces; of what is not named there is as much as is wanted."""
    return min((pieces[of.sku] // of.pieces for of in components if of.sku in pieces), default=0)


def to_announce_besides(m: AnnounceAvailability, rows: Rows) -> Needs:
    """Of a kit its components, as far as they are read without their lock: the figure is none that promises."""
    kit = rows.find(Kit, m.sku)
    for component in kit.components if kit else ():
        yield Item, component.sku
        yield Level, component.sku


def kits_to_announce(m: AnnounceAvailability, rows: Rows, ctx: Ctx) -> Iterator[Timer]:
    """The kits that a SKU is in are told next, at once: their own pause was that of their component."""
    for part in rows.group(KitPart, m.sku):
        if part.pieces:
            yield Timer(f"announce:{part.kit}", ctx.now, AnnounceAvailability(sku=part.kit))


def announce_kit(kit: Kit, rows: Rows) -> Iterator[Effect]:
    """How many kits there are now, in all and at each warehouse that has some of each component."""
    items = {of.sku: rows.find(Item, of.sku) for of in kit.components}
    stocked = [sku for sku, item in items.items() if item is None or item.stocked]
    levels = {sku: rows.group(Level, sku) for sku in stocked}
    kit = replace(kit, announced=kit.announced + 1)
    yield kit

    def at(places: Iterable[str]) -> tuple[int, int]:
        """Kits on hand and available at these together."""
        there = {sku: [level for level in levels[sku] if level.warehouse in places] for sku in stocked}
        on_hand = sets_of(kit.components, {sku: sum(of.on_hand for of in those) for sku, those in there.items()})
        free = sets_of(kit.components, {sku: sum(of.available for of in those) for sku, those in there.items()})
        return on_hand, free

    places = sorted({level.warehouse for those in levels.values() for level in those})
    on_hand, free = at(places)
    by_place = [(place, *at((place,))) for place in places]
    yield AvailabilityChanged(
        sku=kit.sku,
        version=kit.announced,
        on_hand=on_hand,
        reserved=on_hand - free,
        available=free,
        backorderable=bool(kit.components) and all(item is not None and item.backorderable for item in items.values()),
        warehouses=tuple(
            Availability(warehouse=place, on_hand=there, reserved=there - left, available=left)
            for place, there, left in by_place
            if there
        ),
    )
