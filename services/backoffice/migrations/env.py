"""Alembic's entry: this service's tables on the connection that `comptoir migrate` opened."""

from services.backoffice.tables import metadata
from shared.migrate import run_here

run_here(metadata)
