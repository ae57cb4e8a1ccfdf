"""The page that a day begins with."""

from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response

from services.backoffice.api.frame import Office, Visit, allowed, pages
from services.backoffice.rights import SEES, Person
from services.backoffice.views import today as today_view

router = pages()
Item = dict[str, Any]


@router.get("/")
async def today(visit: Annotated[Visit, allowed("today")]) -> Response:
    """Worklists, figures, where orders are, what just happened."""
    return visit.page("today.html", "today", await now_shown(visit.office, visit.person, visit.now))


def seen(person: Person) -> frozenset[str]:
    """The areas that somebody sees; e-mails are one for who may send them again, write-offs for who may decide them."""
    return frozenset(area for area in (*SEES, "mail", "write-off") if person.may(area))


async def now_shown(office: Office, person: Person, now: datetime) -> Item:
    sees = seen(person)
    told = await office.asked_now() if sees & {"parked", "write-off"} else today_view.Asked()
    day = await office.day_sums(now)
    async with office.reading() as conn:
        return await today_view.today(conn, office.pages, now, told, day, sees)
