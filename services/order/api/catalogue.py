"""Products, customers and channels: what orders take over when they are placed."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from services.order import queries
from services.order.api.fields import AddressIn, Amount, Key, Long, Name, Rate, Short, Sku, SkuPath, Word
from services.order.vat import VatCategory, category_at, misfit
from shared.contracts.order import (
    MOST_COMPONENTS,
    Channel,
    Component,
    Customer,
    Product,
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
)
from shared.contracts.values import MAX_LINES, LineKind
from shared.etag import etag_of
from shared.guard import needs
from shared.http import Body, IfMatch, NotFound, Page, Paging, Reader, Tell, example, page_of
from shared.messaging.decision import Row

router = APIRouter()


class ComponentIn(Body):
    sku: Sku
    pieces: Annotated[int, Field(gt=0, le=1000)]

    def value(self) -> Component:
        return Component(sku=self.sku, pieces=self.pieces)


class ProductFields(Body):
    model_config = example(name="Mug", category="Kitchen", price="12.50", vat_rate="21")

    name: Long = ""
    category: Short = ""
    brand: Short = ""
    kind: LineKind = "goods"
    price: Amount = Decimal(0)
    vat_category: VatCategory | None = Field(None, description="of EN 16931; by the rate when left out: S, or Z at 0")
    vat_rate: Rate = Field(Decimal(0), validate_default=True)
    components: Annotated[
        tuple[ComponentIn, ...],
        Field(
            max_length=MOST_COMPONENTS,
            description="of a kit: goods of the catalogue that are no kits; a line of it becomes lines of these",
        ),
    ] = ()

    @field_validator("vat_rate")
    @classmethod
    def fits(cls, rate: Decimal, fields: ValidationInfo) -> Decimal:
        category = fields.data.get("vat_category")
        if category is not None and (reason := misfit(category, rate)):
            raise ValueError(reason)
        return rate

    def value(self, sku: str) -> Product:
        category = self.vat_category or category_at(self.vat_rate)
        fields = {name: getattr(self, name) for name in ProductFields.model_fields}
        components = tuple(component.value() for component in self.components)
        return Product(**fields | {"sku": sku, "vat_category": category, "components": components})


class NamedProduct(ProductFields):
    sku: Sku


class ProductIn(NamedProduct):
    expected: Annotated[
        str,
        Field(
            pattern=r"^(\*|none|[0-9a-f]{1,64})?$",
            description="the ETag of what was looked at, or `none` for a new one: 412, and none of the products is "
            "taken, when it is another one by now",
        ),
    ] = ""


class ProductsIn(Body):
    model_config = example(products=[{"sku": "mug", "name": "Mug", "price": "12.50", "vat_rate": "21"}])

    products: Annotated[tuple[ProductIn, ...], Field(min_length=1, max_length=MAX_LINES)]
    way: Literal["api", "file", "page"] = Field("api", description="where these come from; kept in their history")

    def command(self) -> RegisterProducts:
        expected = tuple(product.expected for product in self.products)
        products = tuple(product.value(product.sku) for product in self.products)
        return RegisterProducts(products=products, expected=expected if any(expected) else (), way=self.way)


class CustomerFields(Body):
    model_config = example(name="Anna", email="anna@example.org", addresses=[{"city": "Utrecht", "country": "NL"}])

    name: Long = ""
    email: Short = ""
    addresses: Annotated[tuple[AddressIn, ...], Field(max_length=50)] = ()

    def value(self, customer_id: str) -> Customer:
        addresses = tuple(address.value() for address in self.addresses)
        return Customer(customer_id=customer_id, name=self.name, email=self.email, addresses=addresses)


class CustomerIn(CustomerFields):
    customer_id: Name


class CustomersIn(Body):
    model_config = example(
        customers=[{"customer_id": "anna", "name": "Anna", "addresses": [{"city": "Utrecht", "country": "NL"}]}]
    )

    customers: Annotated[tuple[CustomerIn, ...], Field(min_length=1, max_length=MAX_LINES)]


class ChannelIn(Body):
    model_config = example(name="Web shop")

    name: Short = ""


@router.put("/products", tags=["catalogue"])
@needs("catalogue:write")
async def put_products(body: ProductsIn, tell: Tell) -> Response:
    """Creates or changes products, all or none; the last one wins. Orders keep what they were placed with."""
    return await tell(body.command())


@router.get("/products", tags=["catalogue"])
@needs("catalogue:read")
async def list_products(
    conn: Reader,
    paging: Paging,
    sku: Annotated[tuple[Name, ...], Query(max_length=200)] = (),
    search: Word = None,
    brand: Word = None,
    category: Word = None,
) -> dict[str, Any]:
    """Products by SKU: these SKUs, if any are named; `search` finds the beginning of a SKU or a part of a name."""
    found = await queries.products(
        conn, skus=sku, search=search, brand=brand, category=category, after=_last(paging),
        limit=paging.limit + 1,
    )  # fmt: skip
    return page_of(found, paging, key=lambda row: (row["sku"],))


@router.get("/products/{sku:path}/history", tags=["catalogue"])
@needs("catalogue:write")
async def get_product_history(sku: SkuPath, conn: Reader, paging: Paging) -> dict[str, Any]:
    """Who changed a product, when, by which way, and each field from what to what, the newest first.

    Of a new product every `before` is null. What was changed before there was a history is not in it.
    """
    found = await queries.product_history(conn, sku, after=paging.place(int), limit=paging.limit + 1)
    if not found and await queries.product(conn, sku) is None:
        raise NotFound("product", sku)
    return page_of(found, paging, key=lambda row: (row["version"],))


@router.get("/product-changes", tags=["catalogue"])
@needs("catalogue:write")
async def list_product_changes(
    conn: Reader,
    paging: Paging,
    actor: Annotated[tuple[Short, ...], Query(max_length=1001)] = (),
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> dict[str, Any]:
    """What people and programs with a name changed of products, the newest first, one entry per request.

    `products` says of how many; `sku` and `changes` are those of the only one, else of none. `actor`: only theirs.
    """
    found = await queries.product_changes(
        conn, actors=actor, since=since, until=until, after=paging.place(datetime, UUID), limit=paging.limit + 1
    )
    return page_of(found, paging, key=lambda row: (row["at"], row["cause"]))


@router.get("/products/{sku:path}", tags=["catalogue"])
@needs("catalogue:read")
async def get_product(sku: SkuPath, conn: Reader) -> Response:
    """One product."""
    return _tagged("product", sku, await queries.product(conn, sku))


def _tagged(what: str, key: str, found: tuple[Row, queries.Item] | None) -> Response:
    """The thing with the entity tag that an edit names in If-Match."""
    if found is None:
        raise NotFound(what, key)
    row, item = found
    return JSONResponse(item, headers={"ETag": f'"{etag_of([row])}"'})


def _last(paging: Page) -> str | None:
    """The key after which the list goes on."""
    place = paging.place(str)
    return place[0] if place else None


@router.put("/products/{sku:path}", tags=["catalogue"])
@needs("catalogue:write")
async def put_product(sku: SkuPath, body: ProductFields, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes one product; orders keep what they were placed with."""
    return await tell(RegisterProducts(products=(body.value(sku),), if_match=if_match, way="api"))


@router.put("/customers", tags=["customers"])
@needs("customers:write")
async def put_customers(body: CustomersIn, tell: Tell) -> Response:
    """An import: creates or changes customers; the last one wins."""
    customers = tuple(customer.value(customer.customer_id) for customer in body.customers)
    return await tell(RegisterCustomers(customers=customers))


@router.get("/customers", tags=["customers"])
@needs("customers:read")
async def list_customers(conn: Reader, paging: Paging, search: Word = None) -> dict[str, Any]:
    """Customers by id; `search` finds the beginning of an id, a part of a name, or an email address."""
    found = await queries.customers(conn, search=search, after=_last(paging), limit=paging.limit + 1)
    return page_of(found, paging, key=lambda row: (row["customer_id"],))


@router.get("/customers/{customer_id}", tags=["customers"])
@needs("customers:read")
async def get_customer(customer_id: Key, conn: Reader) -> Response:
    """One customer with all addresses."""
    return _tagged("customer", customer_id, await queries.customer(conn, customer_id))


@router.put("/customers/{customer_id}", tags=["customers"])
@needs("customers:write")
async def put_customer(customer_id: Key, body: CustomerFields, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes one customer. Orders keep the addresses that they were placed with."""
    return await tell(RegisterCustomers(customers=(body.value(customer_id),), if_match=if_match))


@router.get("/channels", tags=["channels"])
@needs("catalogue:read")
async def list_channels(conn: Reader, paging: Paging) -> dict[str, Any]:
    """Sales channels by code."""
    found = await queries.channels(conn, after=_last(paging), limit=paging.limit + 1)
    return page_of(found, paging, key=lambda row: (row["code"],))


@router.get("/channels/{code}", tags=["channels"])
@needs("catalogue:read")
async def get_channel(code: Key, conn: Reader) -> Response:
    """One sales channel."""
    return _tagged("channel", code, await queries.channel(conn, code))


@router.put("/channels/{code}", tags=["channels"])
@needs("catalogue:write")
async def put_channel(code: Key, body: ChannelIn, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes a sales channel."""
    return await tell(RegisterChannel(channel=Channel(code=code, name=body.name), if_match=if_match))
