"""Products of a file, looked at before they are taken: what each would be, and what is there now."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.order import queries
from services.order.api.catalogue import NamedProduct
from services.order.api.fields import Sku
from services.order.kits import misfits
from services.order.rows import Product
from services.order.vat import misfit
from shared.etag import NONE, etag_of
from shared.guard import needs
from shared.http import Body, Reader, example, invalid, wrong

router = APIRouter()
Item = dict[str, Any]
MAX_LOOKED_AT = 1000
"""Products of one preview."""
SKU: TypeAdapter[str] = TypeAdapter(Sku)


class LooksIn(Body):
    """Each of `products` has its `sku` and what is to be other; what it leaves out stays as it is."""

    model_config = example(products=[{"sku": "mug", "price": "12.50"}])

    products: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MAX_LOOKED_AT)]


@router.post("/products/batch/preview", tags=["catalogue"])
@needs("catalogue:write")
async def preview_products(body: LooksIn, conn: Reader) -> dict[str, Any]:
    """What each product would be if it were changed so, or what is wrong with it, and where.

    `body` of an outcome below 400 is `before`, null for a new product, and `after`: exactly that is taken by
    PUT /products with `after` and `expected`, or refused when the product is another one by then. A VAT category that
    is left out stays if it goes with the rate, and else goes by the rate. Above, a problem whose errors name the fields
    of that product.
    """
    return {"outcomes": await previewed(conn, body.products)}


async def previewed(conn: AsyncConnection, products: Sequence[Mapping[str, Any]]) -> list[Item]:
    """The outcomes of these, in their order: {"status", "body"}."""
    named = {sku for product in products if (sku := _sku(product)) is not None}
    known = await queries.products_named(conn, sorted(named))
    read = [_read(product, known.get(_sku(product) or "")) for product in products]
    good = [(i, of) for i, of in enumerate(read) if isinstance(of, Product)]
    for n, errors in (await _misfits(conn, [of for _, of in good], known)).items():
        read[good[n][0]] = {"title": errors[0]["message"], "status": 422, "errors": errors}
    return [_outcome(of, known.get(of.sku)) if isinstance(of, Product) else {"status": 422, "body": of} for of in read]


async def _misfits(
    conn: AsyncConnection, products: Sequence[Product], known: Mapping[str, Product]
) -> dict[int, list[Item]]:
    """What is wrong with these as kits and components, by their place."""
    components = {component.sku for product in products for component in product.components}
    there = {**known, **await queries.products_named(conn, sorted(components - known.keys()))}
    kits = await queries.kits_with(conn, sorted({product.sku for product in products}))
    found: dict[int, list[Item]] = {}
    for n, field, reason in misfits(products, there.get, lambda sku: kits.get(sku, ())):
        found.setdefault(n, []).append(wrong(field, reason))
    return found


def _sku(product: Mapping[str, Any]) -> str | None:
    try:
        return SKU.validate_python(product.get("sku"))
    except ValidationError:
        return None


def _read(product: Mapping[str, Any], known: Product | None) -> Product | Item:
    """The product as it would be, or the problem that says why it is none."""
    kept = {} if known is None else {name: value for name, value in _told(known).items() if name != "vat_category"}
    try:
        read = NamedProduct.model_validate(kept | dict(product))
    except ValidationError as error:
        return invalid(error)
    value = read.value(read.sku)
    if known is not None and read.vat_category is None and not misfit(known.vat_category, read.vat_rate):
        value = value.model_copy(update={"vat_category": known.vat_category})
    return Product(**value.__dict__)


def _outcome(after: Product, known: Product | None) -> Item:
    return {
        "status": 200,
        "body": {
            "sku": after.sku,
            "expected": NONE if known is None else etag_of([known]),
            "before": None if known is None else _told(known),
            "after": _told(known if known == after else after),
        },
    }


def _told(row: Product) -> Item:
    """Amounts as text, as everywhere."""
    return {
        "sku": row.sku, "name": row.name, "category": row.category, "brand": row.brand, "kind": row.kind,
        "price": f"{row.price:f}", "vat_category": row.vat_category, "vat_rate": f"{row.vat_rate:f}",
        "components": [component.model_dump() for component in row.components],
    }  # fmt: skip
