"""Files that people upload, whatever is in them: read and kept, found again by their own person alone, dropped.

What is done with a file goes by the copy that is kept here, never by what a browser sends back.
"""

import base64
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import structlog
from fastapi import Path, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from services.backoffice.api.frame import Visit
from services.backoffice.owners import Away
from services.backoffice.sheets import Mark
from services.backoffice.views import uploads as view
from shared.contracts.backoffice import DropUpload, KeepUpload, NoteImported
from shared.http import NotFound

log = structlog.get_logger("comptoir.backoffice")
Item = dict[str, Any]
Kind = Literal["orders", "products"]
Code = Annotated[str, Path(max_length=20, pattern=r"^[0-9a-f]+$")]
CSV = "text/csv; charset=utf-8"
ACTS = UUID("b1c3a0de-52f4-5c1d-8a3e-6d0c7b1f9e42")
"""The namespace of what is done with a file: the same press is one act."""


async def keep(
    visit: Visit, kind: Kind, file: UploadFile, mark: Mark, read: Callable[[bytes, Mark], object], most_bytes: int
) -> str:
    """Keeps a file that can be read; gives its short address. Raises Unreadable."""
    raw = await file.read(most_bytes + 1)
    await run_in_threadpool(read, raw, mark)  # a large file takes a while, and others must not wait for it
    name = PurePosixPath((file.filename or "").replace("\\", "/").replace("\x00", "")).name[:200] or f"{kind}.csv"
    packed = base64.b64encode(await run_in_threadpool(zlib.compress, raw)).decode()
    word = KeepUpload(person=visit.person.name, kind=kind, file=name, content=packed, mark=mark)
    reply = await visit.office.running.desk.ask(word, id=visit.office.running.new_id())
    if reply.status >= 400:
        raise Away("backoffice", str(reply.body.get("title")))
    return str(reply.body["code"])


async def kept(visit: Visit, kind: Kind, code: str) -> tuple[Item, bytes]:
    """The person's own file, and what is in it. Raises NotFound when it is gone."""
    async with visit.office.reading() as conn:
        found = await view.upload(conn, visit.person.name, kind, code)
    if found is None:
        raise NotFound("upload", code)
    return found, await run_in_threadpool(lambda: zlib.decompress(base64.b64decode(found["content"])))


def csv_file(lines: Iterable[str], name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("".join(lines), media_type=CSV, headers=headers)


def beside(found: Item, what: str) -> str:
    """The name of a file that is made of this one; whatever its name held, this is safe in a header."""
    name = PurePosixPath(found["file"]).stem[:100] or str(found["kind"])
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return f"{plain}-{what}.csv"


async def note(visit: Visit, found: Item, digest: str, key: str, counts: Mapping[str, int]) -> None:
    """What came of a file, for the audit: how many were done, repeated, refused, unknown. `key`: of the press."""
    word = NoteImported(kind=found["kind"], file=found["file"], digest=digest, actor=visit.person.name, **counts)
    await visit.office.running.desk.ask(word, id=uuid5(ACTS, key))
    log.info(f"{found['kind']} of a file", file=digest[:16], who=visit.person.name, **counts)


async def drop(visit: Visit, code: str) -> None:
    """Its content is gone; pressing again finds it gone, which is what was wanted."""
    await visit.office.note(DropUpload(person=visit.person.name, code=code))
