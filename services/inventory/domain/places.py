"""Where things lie and what is printed on them: bins and barcodes. For people; no promise depends on it (R-22)."""

from collections.abc import Iterator
from dataclasses import replace

from services.inventory.domain.rows import REALM, Ctx, Item, Place, Placement, Warehouse
from shared.contracts.inventory import PlaceItem, PlaceItems
from shared.messaging.decision import Effect, Needs, Refused, Reply, Rows


def to_place_items(m: PlaceItems) -> Needs:
    yield Warehouse, REALM
    for place in m.places:
        yield Item, place.sku
        yield Place, place.sku


def place_items(m: PlaceItems, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Where SKUs lie from now on; of the same place the last one counts."""
    places: dict[tuple[str, str], Place] = {}
    for n, place in enumerate(m.places):
        if rows.find(Item, place.sku) is None:
            raise Refused(f"there is no SKU {place.sku}", field=f"places.{n}.sku")
        if all(w.code != place.warehouse for w in rows.group(Warehouse, REALM)):
            raise Refused(f"there is no warehouse {place.warehouse}", field=f"places.{n}.warehouse")
        places[place.sku, place.warehouse] = Place(place.sku, place.warehouse, place.bin)
    yield from places.values()
    yield Reply({"placed": len(places)})


def to_place_item(m: PlaceItem) -> Needs:
    yield Warehouse, REALM
    yield Place, m.sku
    for sku in dict.fromkeys((m.sku, *m.others)):
        yield Item, sku


def place_item(m: PlaceItem, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A person says where a SKU lies and what is printed on it; kept with who it was and how it was before."""
    item = rows.find(Item, m.sku)
    if item is None:
        raise Refused(f"there is no SKU {m.sku}", field="sku", status=404)
    if all(w.code != m.warehouse for w in rows.group(Warehouse, REALM)):
        raise Refused(f"there is no warehouse {m.warehouse}", field="warehouse")
    if m.barcode and m.barcode != item.barcode:
        for sku in m.others:
            other = rows.find(Item, sku)
            if other is not None and m.barcode.upper() in (other.barcode.upper(), sku.upper()):
                raise Refused(f"{m.barcode} stands for {sku} already", field="barcode", status=409)
    known = next((place for place in rows.group(Place, m.sku) if place.warehouse == m.warehouse), None)
    bin = known.bin if known else ""
    if (bin, item.barcode) != (m.bin, m.barcode):
        yield replace(item, barcode=m.barcode)
        yield Place(m.sku, m.warehouse, m.bin)
        yield Placement(
            ctx.cause, m.sku, m.warehouse, bin, m.bin, item.barcode, m.barcode, m.actor or ctx.actor, ctx.now
        )
    yield Reply({"sku": m.sku, "warehouse": m.warehouse, "bin": m.bin, "barcode": m.barcode}, 201)
