"""A log line goes to the standard error of its moment and never fails the work that it tells of."""

import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from shared import logging as logs


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class Full(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(28, "No space left on device")


def test_a_line_goes_to_the_standard_error_of_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure()
    log = structlog.get_logger("test")
    for sold in (1, 2):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        log.warning("sold", units=sold)
        assert json.loads(stream.getvalue())["units"] == sold


@pytest.mark.parametrize("kind", ["closed", "full"])
def test_a_line_that_cannot_be_written_fails_nothing(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    stream = Full() if kind == "full" else io.StringIO()
    if kind == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(as_json=True)
    structlog.get_logger("test").error("nobody hears this")
