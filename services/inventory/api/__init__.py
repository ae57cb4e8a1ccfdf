"""Inventory over HTTP. Writes become the same commands that arrive by bus; reads lock nothing."""

from fastapi import APIRouter

from services.inventory.api import purchases, reorder, stock, transfers, value

router = APIRouter()
for area in (stock, purchases, transfers, reorder, value):
    router.include_router(area.router)
