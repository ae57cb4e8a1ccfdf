"""Saved views: what the person sees, what each chooses, and the filter that is about to be saved."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from services.backoffice.pages import Pages
from services.backoffice.queries import Filter
from services.backoffice.rights import Person
from services.backoffice.saved import MOST
from services.backoffice.views import orders

Item = dict[str, Any]


def query_of(pages: Pages, query: str) -> str:
    """What of an address is kept: its filter, as the list itself writes it."""
    return orders.address(*orders.asked(dict(parse_qsl(query)), pages)).partition("?")[2]


def page(
    pages: Pages, person: Person, rows: Sequence[Item], query: str, typed: Item, key: str, error: Item | None
) -> Item:
    """`query`: the filter to be saved, empty for none; `typed`: its name and whether it is shared, as sent."""
    own = [of for of in rows if of["owner"] == person.name]
    return {
        "query": query,
        "words": _words(pages, query) if query else "",
        "typed": typed,
        "key": key,
        "shares": person.may("share"),
        "bound": pages.words.say("%(n)s of %(most)s", n=len(own), most=MOST),
        "views": [_view(pages, person, of) for of in rows],
        "error": error,
    }


def _view(pages: Pages, person: Person, of: Item) -> Item:
    own = of["owner"] == person.name
    return {
        "code": of["code"],
        "name": of["name"],
        "words": _words(pages, of["query"]),
        "shared": of["shared"],
        "by": "" if own else pages.words.say("of %(name)s", name=of["owner"]),
        "changes": own or person.may("share"),
    }


def _words(pages: Pages, query: str) -> str:
    wanted, since = orders.asked(dict(parse_qsl(query)), pages)
    return orders.in_words(pages, wanted, since) if wanted != Filter() else pages.words.say("All orders")
