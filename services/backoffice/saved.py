"""Decisions about views of the list of orders that people save: named, bounded, each with a short address."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from services.backoffice.rows import OfficeAct, SavedView
from shared.contracts.backoffice import ChangeView, OfViews, RemoveView, SaveView
from shared.messaging.decision import Context, Effect, Needs, Refused, Reply, Rows

MOST = 30
"""Views of one person."""


def to_views(m: OfViews) -> Needs:
    yield SavedView, m.person


def save_view(m: SaveView, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """In the first free place; the reply says its short address."""
    known = rows.group(SavedView, m.person)
    _check_name(m.name, known)
    taken = {view.place for view in known if view.name}
    place = next((n for n in range(1, MOST + 1) if n not in taken), 0)
    if not place:
        raise Refused(f"There are {MOST} saved views already; remove one first.", field="name", status=409)
    code = ctx.new_id().hex[-10:]
    view = SavedView(m.person, place, code, m.name, m.query, m.shared, m.actor, ctx.now)
    yield view
    yield _act(m, view, ctx)
    yield Reply({"code": code})


def change_view(m: ChangeView, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    known = rows.group(SavedView, m.person)
    view = next((view for view in known if view.code == m.code and view.name), None)
    if view is None:
        raise Refused("There is no such saved view.", field="code", status=404)
    _check_name(m.name, (other for other in known if other is not view))
    yield replace(view, name=m.name, shared=m.shared, by=m.actor, at=ctx.now)
    yield _act(m, view, ctx, now=m.name, shared=m.shared)


def remove_view(m: RemoveView, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    for view in rows.group(SavedView, m.person):
        if view.code == m.code and view.name:
            yield replace(view, name="", query="", shared=False, by=m.actor, at=ctx.now)
            yield _act(m, view, ctx)


def _act(m: OfViews, view: SavedView, ctx: Context[Any], **more: Any) -> OfficeAct:
    """What is kept of it for the audit: the view as it was, and what it is now."""
    facts = {"name": view.name, "owner": view.owner, "query": view.query, "shared": view.shared, **more}
    return OfficeAct(ctx.new_id(), ctx.now, m.key, m.actor, facts)


def _check_name(name: str, others: Iterable[SavedView]) -> None:
    if any(other.name.casefold() == name.casefold() for other in others):
        raise Refused(f"There is a saved view {name} already.", field="name", status=409)
