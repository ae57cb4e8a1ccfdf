"""HTTP in: orders, wishes, catalogue, customers, channels. Parse, make one command, shape the answer."""

from fastapi import APIRouter

from services.order.api import catalogue, imports, orders, rehearsals, wishes

router = APIRouter()
for area in (orders, rehearsals, wishes, catalogue, imports):
    router.include_router(area.router)
