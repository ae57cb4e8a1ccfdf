"""The e-mail of a purchase order to its supplier: what it would say, to whom, and what became of those before."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from services.backoffice import purchase_paper, supplier_letter
from services.backoffice.pages import Pages
from services.backoffice.views import mails

Item = dict[str, Any]


def offer(pages: Pages, order: Item, *, usual: str, on: bool, ticked: bool = True) -> Item:
    """What would be sent, for a person to look at. `usual`: the shop's language; `on`: e-mails are sent at all.

    `to` is empty where nothing can be sent, and `why` says the reason.
    """
    w, to = pages.words, order["supplier_email"]
    lang = purchase_paper.language("", usual)
    why = "" if to else w.say("The supplier has no e-mail address.")
    why = why if on else w.say("E-mails are switched off.")
    letter = supplier_letter.written(order["number"], pages.shop, lang, pages.zone)
    pdf = f"/purchasing/{quote(order['number'], safe='')}/pdf"
    return {"to": "" if why else to, "why": why, "ticked": ticked, "letter": letter, "pdf": pdf}


def question(pages: Pages, order: Item, offered: Item, key: str, error: Item | None) -> Item:
    """The page that asks whether it is e-mailed once more."""
    where = f"/purchasing/{quote(order['number'], safe='')}"
    title = pages.words.say("E-mail %(number)s to the supplier?", number=order["number"])
    return {"title": title, "mail": offered, "action": f"{where}/mail", "back": where, "key": key, "error": error}


def told(pages: Pages, number: str, rows: Sequence[Item], *, again: bool) -> list[Item]:
    """The e-mails of one purchase order, the newest first; `again`: whoever looks may have one tried again."""
    return [mails.shown(pages.words, row, number, again=again) for row in rows]
