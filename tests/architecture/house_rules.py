"""The rules of the house that no general tool knows, each a small function over the syntax tree of one file.

`python -m tests.architecture.house_rules` prints every breach as path:line and exits with 1. Each rule is seen to fail
on a planted violation in test_house_rules.py. Names are resolved through imports, so `from uuid import uuid4 as fresh`
is found as well.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LOOKED_AT: Final = ("shared", "services", "comptoir", "tests")

REQUIRED_ROOMS: Final = ("api", "app", "handlers", "queries", "settings", "store", "tables", "migrations", "README")
SHELL: Final = frozenset(
    {
        *REQUIRED_ROOMS,
        "amounts",
        "carriers",
        "costly",
        "figures",
        "languages",
        "links",
        "live",
        "lookout",
        "login",
        "metrics",
        "oidc",
        "owners",
        "pages",
        "paper",
        "phrases",
        "post",
        "providers",
        "purchase_paper",
        "signon",
        "supplier_letter",
        "valuer",
        "views",
        "webhook",
        "webhooks",
    }
)
"""Rooms of a service that may know frameworks. Every other room is pure: decisions, rows, the saga."""

IMPURE: Final = frozenset({
    "asyncio", "concurrent", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets",
    "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time",
    "urllib",
})  # fmt: skip
"""Modules of the standard library that read a clock, draw, wait, log or touch the machine."""

CLOCKS_AND_DICE: Final = frozenset({
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today", "time.time",
    "time.time_ns", "time.monotonic", "uuid.uuid1", "uuid.uuid4", "uuid_utils.uuid4", "uuid_utils.uuid7",
    "uuid_utils.compat.uuid7", "os.urandom",
})  # fmt: skip
CLOCK_HOMES: Final = ("shared/clock.py",)
BUS_HOMES: Final = tuple(f"shared/messaging/{name}.py" for name in ("bus", "rabbit", "workers"))
"""The relay and the two buses it publishes to."""


@dataclass(frozen=True, slots=True)
class Breach:
    rule: str
    path: str
    line: int
    says: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.says}"


class File:
    """One Python file with what the rules ask about it."""

    def __init__(self, path: str, source: str) -> None:
        self.path, self.source = path, source
        self.parts = PurePosixPath(path).with_suffix("").parts

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    @property
    def room(self) -> str:
        """`domain` for services/billing/domain/asks.py; empty outside the services."""
        return self.parts[2] if self.parts[0] == "services" and len(self.parts) > 2 else ""

    @property
    def development(self) -> bool:
        """The provider and the carrier of development: outsiders with books of their own, not part of a service."""
        return self.room.startswith("dev")

    @property
    def pure(self) -> bool:
        return self.room not in ("", "__init__", *SHELL) and not self.development

    @cached_property
    def names(self) -> dict[str, str]:
        """What each imported name stands for: {"fresh": "uuid.uuid4"}."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    def meant(self, node: ast.expr) -> str:
        """The full dotted name of an expression such as `datetime.now`, as far as imports tell."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.meant(node.value)}.{node.attr}"
        return ""

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call with the dotted name of what is called; `?.commit` when the object is an expression."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                name = self.meant(node.func)
                yield node, name or (f"?.{node.func.attr}" if isinstance(node.func, ast.Attribute) else "")

    def imports(self) -> Iterator[tuple[ast.stmt, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node, alias.name
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                for alias in node.names:
                    yield node, f"{'.' * node.level}{module}.{alias.name}"


Rule = Callable[[File], Iterator[tuple[int, str]]]
RULES: Final[dict[str, Rule]] = {}


def rule(check: Rule) -> Rule:
    RULES[check.__name__.replace("_", "-")] = check
    return check


@rule
def one_unit_of_work(file: File) -> Iterator[tuple[int, str]]:
    """Only the unit of work commits: state, messages and timers of a decision are one transaction."""
    if file.parts[0] == "tests" or file.path.startswith("shared/messaging/") or file.development:
        return
    for node, name in file.calls():
        if name.endswith(".commit"):
            yield node.lineno, "commits; only the unit of work in shared/messaging may"


@rule
def published_by_the_relay(file: File) -> Iterator[tuple[int, str]]:
    """Only the relay publishes, after the commit: what a rolled back unit wanted to say is never heard.

    The operator's commands (replay, benchmark) are senders from outside, with no state to commit.
    """
    if file.parts[0] not in ("shared", "services") or file.path in BUS_HOMES:
        return
    for node, name in file.calls():
        if name.endswith((".publish", ".publish_batch", ".basic_publish")):
            yield node.lineno, "publishes; yield the message from a decision, the relay publishes it"


@rule
def pure_decisions(file: File) -> Iterator[tuple[int, str]]:
    """Decisions await nothing, draw nothing, read no clock: the same message and rows give the same effects."""
    if not file.pure:
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "is asynchronous; what takes time belongs to the shell"
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield node.lineno, "keeps state outside its rows"
    for call, name in file.calls():
        if name in CLOCKS_AND_DICE or name in ("open", "input", "print", "exec", "eval"):
            yield call.lineno, f"calls {name}; use ctx.now and ctx.new_id, and let the shell do the rest"


@rule
def pure_imports(file: File) -> Iterator[tuple[int, str]]:
    """Decisions know the standard library, the contracts, the vocabulary of decisions, entity tags, each other."""
    if not file.pure:
        return
    own = ".".join(file.parts[:2])
    for node, name in file.imports():
        top = name.partition(".")[0]
        if name.startswith("."):
            yield node.lineno, "imports relatively; name the module in full"
        elif name.startswith((f"{own}.", "shared.contracts.", "shared.etag.", "shared.messaging.decision.")):
            if name.startswith(f"{own}.") and name.split(".")[2] in SHELL:
                yield node.lineno, f"imports {name}, which knows frameworks"
            if name.startswith(f"{own}.dev"):
                yield node.lineno, f"imports {name}, which is not part of the service"
        elif top in IMPURE or top not in sys.stdlib_module_names:
            yield node.lineno, f"imports {name}"


@rule
def exact_money(file: File) -> Iterator[tuple[int, str]]:
    """No binary fractions where money and quantities are decided."""
    if not file.pure:
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno, f"has the float {node.value}; write Decimal"
        if isinstance(node, ast.Call) and file.meant(node.func) == "float":
            yield node.lineno, "makes a float; use Decimal"


@rule
def one_clock(file: File) -> Iterator[tuple[int, str]]:
    """Time and ids come from shared/clock.py, so that a test or a simulation can put another in its place."""
    if file.parts[0] not in ("shared", "services") or file.path in CLOCK_HOMES or file.pure or file.development:
        return
    for node, name in file.calls():
        if name in CLOCKS_AND_DICE and name != "time.monotonic":
            yield node.lineno, f"calls {name}; take it from shared.clock"


@rule
def frozen_rows(file: File) -> Iterator[tuple[int, str]]:
    """A row is a value: decisions make a new one, they never change one in place."""
    if file.parts[0] == "tests":
        return
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.ClassDef):
            continue
        if not any(file.meant(base).split(".")[-1] == "Row" for base in node.bases):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and file.meant(mark.func) == "dataclasses.dataclass":
                on = {k.arg for k in mark.keywords if isinstance(k.value, ast.Constant) and k.value.value is True}
                if {"frozen", "slots"} <= on:
                    break
        else:
            yield node.lineno, f"{node.name} is not a @dataclass(frozen=True, slots=True)"


@rule
def messages_say_what_they_promise(file: File) -> Iterator[tuple[int, str]]:
    """A message is a public contract: it has a docstring, and a key <owner>.<its name in snake case>.v<version>."""
    if not file.path.startswith("shared/contracts/"):
        return
    owner = file.parts[2]  # a file, or a package that has a file by subject
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for keyword in node.keywords:
            if keyword.arg != "key" or not isinstance(keyword.value, ast.Constant):
                continue
            if not ast.get_docstring(node):
                yield node.lineno, f"{node.name} has no docstring"
            snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in node.name).lstrip("_")
            key, _, version = str(keyword.value.value).rpartition(".v")
            if key != f"{owner}.{snake}" or not version.isdigit():
                yield node.lineno, f"{node.name} has the key {key}.v{version}, expected {owner}.{snake}.v1"


@rule
def contracts_by_owner(file: File) -> Iterator[tuple[int, str]]:
    """What one owner obeys and tells is imported from its name alone, so that its files may be cut otherwise."""
    for node, name in file.imports():
        parts = name.split(".")
        owner = tuple(parts[:3])
        if owner[:2] == ("shared", "contracts") and len(parts) > 4 and owner != file.parts[:3]:
            yield node.lineno, f"imports from {'.'.join(parts[:-1])}; take it from {'.'.join(owner)}"


@rule
def no_sleep_in_tests(file: File) -> Iterator[tuple[int, str]]:
    """A test that sleeps is slow or flaky; `await eventually(check)` waits as long as needed and says what it saw."""
    if file.parts[0] != "tests" or file.path in ("tests/eventually.py", "tests/proxy.py"):  # a slow network is made
        return
    if file.parts[:3] == ("tests", "bench", "peers"):  # programs that are measured, and wait for each other
        return
    for node, name in file.calls():
        yields = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if name.split(".")[-1] == "sleep" and not (name == "asyncio.sleep" and yields):
            yield node.lineno, "sleeps; use tests.eventually"


@rule
def no_mocks(file: File) -> Iterator[tuple[int, str]]:
    """Tests build real values and use real stores; a mock only shows that the code calls what it calls."""
    if file.parts[0] != "tests":
        return
    for node, name in file.imports():
        if name.startswith(("unittest.mock", "mock.", "pytest_mock")) or name == "mock":
            yield node.lineno, f"imports {name}"


@rule
def plain_middleware(file: File) -> Iterator[tuple[int, str]]:
    """BaseHTTPMiddleware runs the request in another task: a caller that hangs up then cancels work half-way."""
    for node, name in file.imports():
        if name.endswith(".BaseHTTPMiddleware"):
            yield node.lineno, "imports BaseHTTPMiddleware; write plain ASGI middleware"
    for call, name in file.calls():
        if name.endswith(".middleware") and call.args and getattr(call.args[0], "value", None) == "http":
            yield call.lineno, "makes a BaseHTTPMiddleware; write plain ASGI middleware"


@rule
def answers_on_the_loop(file: File) -> Iterator[tuple[int, str]]:
    """FastAPI sends plain functions and classes to a thread and back, for each request: 0.1 ms of a core each time."""
    if file.parts[0] not in ("shared", "services") or file.development:
        return
    asynchronous = {node.name for node in ast.walk(file.tree) if isinstance(node, ast.AsyncFunctionDef)}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                verb = mark.func.attr if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) else ""
                if verb in ("get", "post", "put", "patch", "delete"):
                    yield node.lineno, f"{node.name} answers on a thread; make it async"
    for call, name in file.calls():
        if name == "fastapi.Depends" and call.args:
            wanted = file.meant(call.args[0])
            if "." not in wanted and wanted not in asynchronous:
                yield call.lineno, f"depends on {wanted}, which is called on a thread; make it async"


@rule
def no_connection_in_hand(file: File) -> Iterator[tuple[int, str]]:
    """A slow owner must not take the connections of pages that need none: whoever asks one gets `reading` instead."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.AsyncFunctionDef):
            given = {argument.arg for argument in node.args.args}
            if {"conn", "owners"} <= given:
                yield node.lineno, f"{node.name} asks owners with a connection in hand; take `reading`"


@rule
def fields_in_dots(file: File) -> Iterator[tuple[int, str]]:
    """An answer names the field that is wrong in one notation, as the library does that reads requests: lines.0.sku."""
    if file.parts[0] not in ("services", "shared"):
        return
    for call, name in file.calls():
        named = [word.value for word in call.keywords if word.arg == "field"]
        if name.rpartition(".")[2] in ("check_sku", "check_place", "wrong", "Refused"):
            named += [argument for argument in call.args[1:] if isinstance(argument, ast.JoinedStr)]
        if name.rpartition(".")[2] == "wrong":
            named += call.args[:1]
        for field in named:
            if re.search(r"[\[\]/]", told := written(field)):
                yield field.lineno, f"{told} is a field in another notation than lines.0.sku"
    for node in ast.walk(file.tree):
        if isinstance(node, ast.JoinedStr) and re.search(r"[\w}]\[\{\}\]\.\w", told := written(node)):
            yield node.lineno, f"{told} looks like a field; the notation is lines.0.sku"


def written(text: ast.expr) -> str:
    """A text as far as it stands in the source, with {} for what is put in."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


@rule
def nothing_left_to_do(file: File) -> Iterator[tuple[int, str]]:
    """Work that is left belongs into the tracker, where it is seen."""
    if file.parts[:2] == ("tests", "architecture"):
        return
    for number, line in enumerate(file.source.splitlines(), 1):
        comment = line.partition("#")[2].lstrip()
        if comment.startswith(("TODO", "FIXME", "XXX", "HACK")):
            yield number, comment


def rooms(root: Path) -> Iterator[Breach]:
    """Every service that handles messages has the same rooms: knowing one is knowing all."""
    for folder in sorted((root / "services").iterdir()):
        if not (folder / "handlers.py").exists():
            continue
        there = {path.stem for path in folder.iterdir() if not path.name.startswith((".", "__"))}
        path = folder.relative_to(root).as_posix()
        for room in REQUIRED_ROOMS:
            if room not in there:
                yield Breach("same-rooms", path, 1, f"has no {room}")
        if not there & {"domain", "saga"}:
            yield Breach("same-rooms", path, 1, "has no domain")


def files(root: Path) -> Iterator[File]:
    for top in LOOKED_AT:
        for path in sorted((root / top).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if "/migrations/" not in name and "/__pycache__/" not in name:
                yield File(name, path.read_text())


def breaches(root: Path = ROOT) -> list[Breach]:
    found = [
        Breach(name, file.path, line, says)
        for file in files(root)
        for name, check in RULES.items()
        for line, says in check(file)
    ]
    return [*found, *rooms(root)]


if __name__ == "__main__":
    broken = breaches()
    for breach in broken:
        print(breach)
    print(f"house rules: {len(RULES) + 1} rules, {len(broken)} breaches")
    sys.exit(bool(broken))
