"""One shipment: its packing slip."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import Response

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.phrases import LANGUAGES
from services.backoffice.views import slip as slip_view

router = pages()


@router.get("/shipments/{id}/slip")
async def slip(
    visit: Annotated[Visit, allowed("slip")], id: UUID, lang: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """The packing slip, to be printed, in the customer's language or in the one that is asked for."""
    office = visit.office
    page, p = await slip_view.slip(office.owners, office.pages, id, lang)
    page |= {"seller": office.seller, "contact": office.contact, "online": bool(office.public_url)}
    page["spoken"] = tuple(LANGUAGES.items())
    return visit.page("slip.html", "pack" if visit.person.may("pack") else "orders", page, p=p)
