"""Structured logs: one JSON object a line in production, readable lines at a terminal."""

import contextlib
import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict

from shared.cards import masked, masked_within


class StandardError:
    """Writes each line to the standard error of that moment; what cannot be written is dropped.

    A service goes on working when nobody can hear it (a closed terminal, a full disk): a log line never fails a unit.
    """

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError is how Python says that a file is closed
            sys.stderr.write(message + "\n")
            sys.stderr.flush()

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class WithoutCards(logging.Formatter):
    """Of what libraries log."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def without_cards(logger: Any, method: str, line: EventDict) -> EventDict:
    return {name: value if name == "exc_info" else masked_within(value) for name, value in line.items()}


def configure(level: str = "INFO", *, as_json: bool = True) -> None:
    """Sets up structlog once per process; logs go to standard error, standard output belongs to commands."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(WithoutCards("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    for noisy in ("aio_pika", "aiormq", "httpx", "uvicorn.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_cards,
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=lambda *_: StandardError(),
        cache_logger_on_first_use=True,
    )
