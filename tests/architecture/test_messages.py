"""Messages, handlers and tables fit together: what is sent is obeyed by one, what is written has its place."""

import importlib
import pkgutil
from dataclasses import fields
from typing import Any, cast

import pytest

import shared.contracts
from shared.contracts.message import Command, Event, Internal, Message
from shared.messaging import topology
from shared.messaging.books import REVISION
from shared.messaging.decision import Handlers, Row
from tests.architecture.house_rules import ROOT, SHELL

for found in pkgutil.iter_modules(shared.contracts.__path__):
    importlib.import_module(f"shared.contracts.{found.name}")

# Tests may declare messages of their own; the contracts are what lies in shared/contracts.
KINDS = [kind for kind in Message.registry.values() if kind.__module__.startswith("shared.contracts.")]
COMMANDS = [kind for kind in KINDS if issubclass(kind, Command) and not issubclass(kind, Internal)]
INTERNALS = [kind for kind in KINDS if issubclass(kind, Internal)]
HANDFUL = {"warehouses", "webhooks"}  # so few rows that they are loaded all together
named = pytest.mark.parametrize


def handlers_of(service: str) -> Handlers:
    return cast(Handlers, importlib.import_module(f"services.{service}.handlers").HANDLERS)


@pytest.fixture(scope="module")
def handled() -> dict[str, Handlers]:
    every = {service: handlers_of(service) for service in (*topology.SERVICES, *topology.OPTIONAL)}
    topology.register(every)
    return every


@named("command", COMMANDS, ids=lambda kind: kind.key)
def test_every_command_has_exactly_one_home_its_owner(handled: dict[str, Handlers], command: type[Command]) -> None:
    assert topology.home_of(command) == command.key.partition(".")[0]
    assert [service for service, handlers in handled.items() if command in handlers] == [topology.home_of(command)]


def test_a_command_handled_by_two_services_is_refused(handled: dict[str, Handlers]) -> None:
    command = COMMANDS[0]
    others = {service: [command] for service in topology.SERVICES[:2]}
    with pytest.raises(ValueError, match="not by its owner alone"):
        topology.register(others)
    assert topology.home_of(command), "a refused topology changes nothing"


@named("word", INTERNALS, ids=lambda kind: kind.key)
def test_a_word_to_oneself_is_handled_at_home_and_never_bound_to_a_queue(
    handled: dict[str, Handlers], word: type[Internal]
) -> None:
    owner = word.key.partition(".")[0]
    if word not in handled[owner]:  # an outside call that is wanted: the service's caller makes it
        rooms = [path for path in (ROOT / "services" / owner).glob("*.py") if path.stem in SHELL - {"handlers"}]
        assert [path.name for path in rooms if word.__name__ in path.read_text()], "neither handled nor called"
    assert not [service for service, handlers in handled.items() if service != owner and word in handlers]
    assert not [queue.name for queue in topology.queues() if word.key in queue.keys]


@named("service", (*topology.SERVICES, *topology.OPTIONAL))
def test_a_service_hears_only_events_of_others_that_exist(handled: dict[str, Handlers], service: str) -> None:
    for kind in handled[service]:
        assert kind in KINDS
        if issubclass(kind, Event):
            assert kind.key.partition(".")[0] in set(topology.SERVICES) - {service}, kind.key


@named("service", (*topology.SERVICES, *topology.OPTIONAL))
def test_every_row_has_a_table_of_its_own_form(service: str) -> None:
    """Field names are column names, KEY is the primary key, and what rows are loaded by is indexed.

    Several kinds may have a part of one table each; together they know all of it.
    """
    books: dict[type[Row], Any] = importlib.import_module(f"services.{service}.store").BOOKS
    known: dict[str, set[str]] = {}
    for kind, book in books.items():
        known.setdefault(book.table.name, set()).update(field.name for field in fields(cast(Any, kind)))
    for kind, book in books.items():
        table, label = book.table, f"{kind.__name__} in {book.table.name}"
        columns = {column.name for column in table.columns if column.name != REVISION and column.computed is None}
        assert known[table.name] == columns, label
        assert set(kind.KEY) == {column.name for column in table.primary_key.columns}, label
        assert set(kind.FIXED) <= {column.name for column in table.columns}, label
        if kind.GROUP and table.name not in HANDFUL:
            firsts = {column.name for index in table.indexes for column in list(index.columns)[:1]}
            firsts.add(next(iter(table.primary_key.columns)).name)
            assert kind.GROUP in firsts, f"{label}: no index begins with {kind.GROUP}"
