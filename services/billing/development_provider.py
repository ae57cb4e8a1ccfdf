"""The payment provider of development as one ASGI application, to be mounted beside the services or run alone."""

from pathlib import Path

from fastapi import FastAPI

from services.billing.devservices.psp.app import Settings, build


def create_app(path: Path, *, webhook_url: str = "", webhook_secret: str = "development") -> FastAPI:
    """`path`: where its durable book lies. Without `webhook_url` it sends no webhooks."""
    return build(Settings(path=path, webhook_url=webhook_url, webhook_secret=webhook_secret))
