"""The catalogue: its list and the same as a file; of a file what is new, changed and faulty, and what became of it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from services.backoffice.columns import parts_in_text
from services.backoffice.owners import Owners
from services.backoffice.pages import English, Pages
from services.backoffice.product_sheets import (
    COLUMNS,
    MOST_BYTES,
    MOST_ROWS,
    NAMES,
    Change,
    Judged,
    Products,
    cells_of,
    shown,
)
from services.backoffice.sheets import written
from services.backoffice.views.cells import Cell, Column, Table, delimiter_of, mark_of, shown_of
from services.backoffice.views.uploads import SHOWN, columns, facts, faults, marks
from services.backoffice.words import N_, NN_

Item = dict[str, Any]
LISTED = 50
READ_AT_ONCE = 200
"""Products of a file that are read in one go, as the order service allows."""
KINDS = {"goods": N_("Goods"), "shipping": N_("Postage"), "service": N_("Service")}
FATES = (
    ("done", NN_("%(n)d product is taken over", "%(n)d products are taken over"), "good"),
    ("repeated", NN_("%(n)d product was so already", "%(n)d products were so already"), ""),
    ("refused", NN_("%(n)d product was changed meanwhile", "%(n)d products were changed meanwhile"), "bad"),
    (
        "unknown",
        NN_("Of %(n)d product it is not known yet whether it was changed",
            "Of %(n)d products it is not known yet whether they were changed"),
        "wait",
    ),
)  # fmt: skip
"""What became of products: code, words, colour."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the catalogue is asked for, as the address has it."""

    q: str = ""
    brand: str = ""
    category: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        return cls(*(query.get(name, "").replace("\x00", "").strip()[:200] for name in cls.__dataclass_fields__))

    def address(self, path: str = "/products", **more: str) -> str:
        parts = {name: text for name, text in asdict(self).items() if text} | more
        return f"{path}?{urlencode(parts)}" if parts else path


async def _read(owners: Owners, asked: Asked, after: str, limit: int) -> Item:
    found: Item = await owners.get(
        "order", "/products", search=asked.q, brand=asked.brand, category=asked.category, after=after, limit=limit
    )
    return found


async def listed(pages: Pages, owners: Owners, asked: Asked, after: str, *, linked: bool) -> Item:
    """A page of the catalogue, by SKU. `linked`: whether the reader sees pages of stock. Raises Away or Said."""
    w = pages.words
    found = await _read(owners, asked, after, LISTED)
    titles = (
        Column(w.say("Product")),
        Column(w.say("What it is")),
        Column(w.say("Category")),
        Column(w.say("Brand")),
        Column(w.say("Price"), True),
        Column(w.say("VAT"), True),
    )
    rows = [
        [
            Cell(of["name"] or of["sku"], f"/stock/{quote(of['sku'], safe='')}" if linked else "", of["sku"]),
            _kind(w, of),
            Cell(of["category"] or "–"),
            Cell(of["brand"] or "–"),
            Cell(shown("price", of["price"], mark_of(pages))),
            Cell(w.percent(Decimal(of["vat_rate"])), sub=of["vat_category"]),
        ]
        for of in found["items"]
    ]
    return {
        "asked": asked,
        "table": Table(w.say("Products by SKU"), titles, rows),
        "csv": asked.address("/products.csv"),
        "first": asked.address() if after else "",
        "older": asked.address(after=found["next"]) if found["next"] else "",
    }


def _kind(w: English, of: Item) -> Cell:
    """What a product is; of a kit what it consists of, too."""
    if of["components"]:
        return Cell(w.say("Kit"), sub=parts_in_text(of["components"]))
    return Cell(w.say(KINDS[of["kind"]]))


async def as_csv(pages: Pages, owners: Owners, asked: Asked) -> AsyncIterator[str]:
    """All that is asked for as the reader's spreadsheet writes it, some at a time. Raises Away or Said."""
    mark, delimiter = mark_of(pages), delimiter_of(pages)
    yield "".join(written([NAMES], delimiter))
    after = ""
    while True:
        found = await _read(owners, asked, after, READ_AT_ONCE)
        lines = list(written((cells_of(of, mark) for of in found["items"]), delimiter))
        yield "".join(lines[1:])  # the mark of the encoding stands at the beginning alone
        after = found["next"]
        if not after:
            return


def form(pages: Pages, error: Item | None) -> Item:
    """The page on which a file is chosen, with what a file may have in it."""
    w = pages.words
    return {
        "title": w.say("Products from a file"),
        "lede": w.say("You see what would be new and what would change, before anything is changed."),
        "where": "/products/import",
        "back": ("/products", w.say("Products")),
        "take": ("/products.csv", w.say("All products as CSV")),
        "marks": marks(w),
        "says": w.say(
            "The first row names the columns, in any order; only sku is needed. Each further row is one product. A "
            "column that is left out stays as it is for each product, and so does an empty cell, except that an empty "
            "name, category, brand or components is taken away. Products that are not in the file stay as they are."
        ),
        "columns": columns(w, w.say("Columns of a file of products"), COLUMNS, lambda of: w.say(of.about)),
        "limits": w.say(
            "At most %(megabytes)s MB and %(rows)s rows in one file.",
            megabytes=MOST_BYTES // 1024 // 1024, rows=w.number(MOST_ROWS),
        ),
        "error": error,
    }  # fmt: skip


def page(pages: Pages, kept: Item, products: Products, told: Judged, key: str, error: Item | None) -> Item:
    """What would be new, what would change and from what, and what is wrong."""
    w, where = pages.words, f"/products/import/{kept['code']}"
    good, new, changed = len(told.good), told.new, told.changed
    cells = sum(len(change.cells) for change in changed)
    return {
        "title": w.say("Products of %(file)s", file=kept["file"]),
        "from": ("/products/import", w.say("Products from a file")),
        "where": where,
        "key": key,
        "quote": told.quote,
        "facts": facts(w, products.sheet, (w.say("Products"), len(products.drafts)), products.mark, kept["mark"]),
        "tables": [
            {
                "name": "changed",
                "said": w.many("%(n)d product would change", "%(n)d products would change", len(changed)),
                "shown": shown_of(w, min(cells, SHOWN), cells),
                "table": _changed(pages, changed),
            },
            {
                "name": "new",
                "said": w.many("%(n)d product would be new", "%(n)d products would be new", len(new)),
                "shown": shown_of(w, min(len(new), SHOWN), len(new)),
                "table": _new(pages, new),
            },
        ],
        "repeated": [],
        "all": (f"{where}/changes.csv", w.say("All of it as CSV")) if good else None,
        "sum": w.say("What it would do"),
        "sums": [
            (w.many("%(n)d new product", "%(n)d new products", len(new)), ""),
            (w.many("%(n)d changed product", "%(n)d changed products", len(changed)), ""),
            (w.many("%(n)d product stays as it is", "%(n)d products stay as they are", len(told.unchanged)), ""),
        ],
        **faults(w, products.sheet, told.faults),
        "faulty_said": _left_out(w, told),
        "mend": _mend(w),
        "button": ""
        if not good
        else w.many("Take over %(n)d product", "Take over %(n)d products", good)
        if not told.faults
        else w.many("Take over the %(n)d good product", "Take over the %(n)d good products", good),
        "drop": w.say("Change nothing"),
        "error": error,
    }


def _left_out(w: English, told: Judged) -> str:
    n = len({fault.row for fault in told.faults})
    return w.many("%(n)d row cannot be taken over as it is.", "%(n)d rows cannot be taken over as they are.", n)


def _mend(w: English) -> str:
    return w.say("Take its rows along, mend them, and upload that file.")


def _changed(pages: Pages, changed: Iterable[Change]) -> Table:
    w, mark = pages.words, mark_of(pages)
    titles = (Column(w.say("Product")), Column(w.say("Column")), Column(w.say("Now")), Column(w.say("Would be")))

    def cell(name: str, text: str) -> Cell:
        return Cell(shown(name, text, mark)[:200] or w.say("empty"))

    cells = ((change, *each) for change in changed for each in change.cells)
    rows = [
        [
            Cell(change.draft.sku, sub=w.say("Row %(row)s", row=change.draft.row)),
            Cell(name, mono=True),
            cell(name, before),
            cell(name, after),
        ]
        for (change, name, before, after), _ in zip(cells, range(SHOWN), strict=False)
    ]
    return Table(w.say("What would change, by product and column"), titles, rows)


def _new(pages: Pages, new: Sequence[Change]) -> Table:
    w, mark = pages.words, mark_of(pages)
    titles = (
        Column(w.say("Product")),
        Column(w.say("What it is")),
        Column(w.say("Category")),
        Column(w.say("Brand")),
        Column(w.say("Price"), True),
        Column(w.say("VAT"), True),
    )
    rows = [
        [
            Cell(of["name"][:200] or of["sku"], sub=of["sku"]),
            _kind(w, of),
            Cell(of["category"] or "–"),
            Cell(of["brand"] or "–"),
            Cell(shown("price", of["price"], mark)),
            Cell(w.percent(Decimal(of["vat_rate"])), sub=of["vat_category"]),
        ]
        for of in (change.after for change in new[:SHOWN])
    ]
    return Table(w.say("Products that would be new"), titles, rows)


Fated = tuple[str, str]
"""A fate, and a SKU."""


def done(pages: Pages, kept: Item, told: Judged, fates: Sequence[Fated]) -> Item:
    """What became of each product, and how to go on."""
    w, where = pages.words, f"/products/import/{kept['code']}"
    again = w.say(
        "Look at the file again: what is done already stays, and what changed meanwhile is shown as it is now."
    )
    groups: list[Item] = []
    for code, words, css in FATES:
        found = [sku for fate, sku in fates if fate == code]
        if found:
            groups.append(
                {
                    "name": code,
                    "css": css,
                    "title": w.many(*words, len(found)),
                    "shown": shown_of(w, SHOWN, len(found)) if len(found) > SHOWN else "",
                    "of": [{"href": "", "number": "", "reference": sku, "why": ""} for sku in found[:SHOWN]],
                    "again": again if code in ("refused", "unknown") else "",
                }
            )
    return {
        "title": w.many(*FATES[0][1], sum(code == "done" for code, _ in fates)),
        "from": ("/products/import", w.say("Products from a file")),
        "back": ("/products", w.say("Back to the list")),
        "mend": _mend(w),
        "all_done": all(code in ("done", "repeated") for code, _ in fates) and not told.faults,
        "groups": groups,
        "where": where,
        "left": _left_out(w, told) if told.faults else "",
    }
