"""Static files."""

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from services.backoffice.api.frame import pages
from services.backoffice.pages import assets

router = pages()


@router.get("/static/{digest}/{name:path}")
async def static(request: Request, digest: str, name: str) -> Response:
    """A file under the name of its content: it may be kept for ever."""
    found = assets().get(name)
    if found is None or found.digest != digest:
        raise HTTPException(404, "no such file")
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(found.zipped if zipped else found.body, media_type=found.media, headers=headers)
