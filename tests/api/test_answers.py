"""The examples of answers in OpenAPI are answers: one story asks for everything, and nothing may look otherwise."""

import json
import os

import pytest

from tests.api.answers import Recorder, file_of, paths, story, text_of
from tests.journeys.conftest import Founder, founder, plot  # noqa: F401 - fixtures
from tests.journeys.town import NAMES

pytestmark = pytest.mark.postgres

RENEW = "a planned change? COMPTOIR_RECORD=1 python -m pytest tests/api/test_answers.py && make docs"
NOT_SHOWN = {
    ("fulfilment", "POST /shipments/{shipment_id}/resume"): "only of a label that is parked",
    ("fulfilment", "POST /webhooks/carrier"): "the carrier looks at the status alone",
    ("billing", "POST /orders/{order_id}/resume"): "only of an operation that is parked",
    ("billing", "POST /webhooks/provider"): "the provider looks at the status alone",
    ("billing", "GET /invoices/{number}/{syntax}"): "XML, which its own standard describes",
    ("billing", "GET /credit-notes/{number}/{syntax}"): "XML, which its own standard describes",
}
"""Operations without a described answer that the story does not ask for, and why."""


async def test_every_answer_has_an_example_and_looks_like_it(founder: Founder) -> None:  # noqa: F811
    async with founder() as town:
        recorders = {}
        for name in NAMES:
            described = town.suite.applications()[name].openapi()
            recorders[name] = Recorder(name, described)
            town.http[name].event_hooks["response"].append(recorders[name])
        await story(town)
        if os.environ.get("COMPTOIR_RECORD"):
            for name, recorder in recorders.items():
                file_of(name).write_text(text_of(recorder.answers), encoding="utf-8")
            return  # what was described before is no measure now
        for name, recorder in recorders.items():
            kept = json.loads(file_of(name).read_text(encoding="utf-8"))
            assert set(kept) == set(recorder.answers), RENEW
            for operation, answers in recorder.answers.items():
                for status, body in answers.items():
                    assert set(paths(kept[operation][status])) == set(paths(body)), f"{name} {operation}: {RENEW}"
            described = town.suite.applications()[name].openapi()
            for path, methods in described["paths"].items():
                for method, said in methods.items():
                    operation = f"{method.upper()} {path}"
                    for status, answer in said["responses"].items():
                        content = answer.get("content", {}).get("application/json", {})
                        if status >= "3" or "$ref" in json.dumps(content.get("schema", {})) or path == "/metrics":
                            continue
                        shown = "example" in content or (name, operation) in NOT_SHOWN
                        assert shown, f"{name} {operation} {status} has no example"
