"""The payment provider's book beside ours."""

from collections import Counter
from decimal import Decimal

import asyncpg
import httpx

from comptoir.invariants import money
from comptoir.verify.audit import Audit


async def check_provider(audit: Audit, connection: "asyncpg.Connection[asyncpg.Record]", url: str) -> None:
    finding = audit.findings[money.provider_agrees]
    if not url:
        finding.applicable = False
    if not finding.applicable:
        return
    ours = {
        f"{order_id}:{no}": money.Charge(kind, amount, currency, state == "done")
        for order_id, no, kind, amount, currency, state in await connection.fetch(
            "select order_id, no, kind, amount, currency, state from operations"
        )
    }
    try:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            book = (await client.get("/book")).raise_for_status().json()
        theirs = {
            of["key"]: money.Charge(of["kind"], Decimal(of["amount"]), of["currency"], of["outcome"] == "ok")
            for of in book["operations"]
        }
    except (httpx.HTTPError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        finding.breaches.append(f"the provider's book at {url} cannot be read: {error!r}")
        return
    for key in Counter((*ours, *theirs)):
        audit.check(money.provider_agrees, key, ours.get(key), theirs.get(key))
