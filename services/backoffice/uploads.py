"""Decisions about files that people upload: kept until they were looked at, bounded per person, gone after a day.

What is done with a file goes by the copy that is kept here, never by what a browser sends back.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.backoffice.rows import OfficeAct, Upload
from shared.contracts.backoffice import DropUpload, KeepUpload, NoteImported, OfUploads
from shared.messaging.decision import Context, Effect, Needs, Reply, Rows, Timer

MOST = 5
"""Files of one person; another one takes the place of the oldest."""
KEPT = timedelta(hours=24)


def to_uploads(m: OfUploads) -> Needs:
    yield Upload, m.person


def keep_upload(m: KeepUpload, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """In a free place, or in that of the oldest; the reply says its short address."""
    known = {upload.place: upload for upload in rows.group(Upload, m.person)}
    free = [place for place in range(1, MOST + 1) if place not in known or not known[place].code]
    place = free[0] if free else min(known, key=lambda one: (known[one].at, one))
    code = ctx.new_id().hex[-12:]
    yield Upload(m.person, place, code, m.kind, m.file, m.content, m.mark, ctx.now)
    yield Timer(f"upload:{m.person}:{place}", ctx.now + KEPT, DropUpload(person=m.person, code=code))
    yield Reply({"code": code})


def drop_upload(m: DropUpload, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """Its content is gone; one that is gone already is no fault."""
    for upload in rows.group(Upload, m.person):
        if upload.code and upload.code == m.code:
            yield replace(upload, code="", file="", content="", at=ctx.now)
            yield Timer(f"upload:{m.person}:{upload.place}", None)


def to_nothing(m: NoteImported) -> Needs:
    return ()


def note_imported(m: NoteImported, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    facts = m.model_dump(mode="json", exclude={"actor"})
    yield OfficeAct(ctx.new_id(), ctx.now, m.key, m.actor, facts)
