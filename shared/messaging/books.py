"""Rows of the domain to tables and back, in bulk: the statements of every kind of row.

`mapping` reads the SQLAlchemy tables once. Per kind of row there is one select, one insert and a few updates, all
set-based through `unnest`, so no service has SQL on its write path.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Table, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import ARRAY

from shared.messaging.decision import Row

Entry = tuple[type[Row], Table, bool] | tuple[type[Row], Table, bool, ColumnElement[bool]]
Part = tuple[type[Row], Table]
Books = Mapping[type[Row], "Book"]
REVISION = "revision"
"""The column of a root that counts the units of work that changed any row of its aggregate."""
MOST_UPDATES = 8
"""Different updates of one kind, by the columns that change; each is a prepared statement in every connection."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    sql_type: str
    adapter: TypeAdapter[Any] | None  # JSON columns only

    @property
    def parameter_type(self) -> str:
        """JSON travels as text: asyncpg then needs no codec, and the cast is PostgreSQL's."""
        return "text" if self.adapter else _unbounded(self.sql_type)


@dataclass(frozen=True, slots=True)
class Write:
    """One insert or update: its text with %s for the arrays, and the columns that these hold."""

    sql: str
    columns: tuple[Column, ...]

    def arrays(self, rows: Sequence[Row]) -> list[list[Any]]:
        return [column_of(column, rows) for column in self.columns]


def column_of(column: Column, rows: Sequence[Row]) -> list[Any]:
    values = list(map(attrgetter(column.name), rows))
    if column.adapter is None:
        return values
    dump = column.adapter.dump_json
    return [None if value is None else dump(value).decode() for value in values]


class Book:
    """How one kind of row is read and written.

    `root` is the kind that its aggregate is locked by: itself, if it is that root. Such rows may be kept in memory
    between units of work, as any change to one of them raises the root's revision.
    """

    def __init__(
        self,
        kind: type[Row],
        table: Table,
        lock: bool,
        where: ColumnElement[bool] | None = None,
        root: type[Row] | None = None,
    ) -> None:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        hints = get_type_hints(kind)
        self.kind, self.table, self.lock, self.root = kind, table, lock, root
        self.is_root = root is kind
        columns: list[Column] = []
        for field in fields(cast(Any, kind)):
            column = table.c[field.name]
            adapter = TypeAdapter(hints[field.name]) if isinstance(column.type, JSONB) else None
            if isinstance(column.type, ARRAY):
                raise TypeError(f"{table.name}.{field.name}: arrays are stored as JSONB, unnest would flatten them")
            columns.append(Column(field.name, column.type.compile(dialect=dialect).lower(), adapter))
        self.columns = tuple(columns)
        names = [column.name for column in columns]
        self.json = [(i, _decoder(c.adapter)) for i, c in enumerate(columns) if c.adapter]
        self.keys = tuple(c for c in columns if c.name in kind.KEY)
        self.moving = tuple(c for c in columns if c.name not in kind.KEY and c.name not in kind.FIXED)
        self.getters = [attrgetter(c.name) for c in self.moving]
        self.updates: dict[int, Write] = {}
        self.quoted = f'"{table.name}"'
        if kind.GROUP:
            group_type = _unbounded(table.c[kind.GROUP].type.compile(dialect=dialect).lower())
            condition = f'"{kind.GROUP}" = any($1::{group_type}[])'
            if where is not None:
                condition += f" and ({where.compile(dialect=dialect, compile_kwargs={'literal_binds': True})})"
            # Text by its bytes, whatever the database's language: rows that were kept are sorted by us.
            order = ", ".join(
                f'"{name}"' + (' collate "C"' if isinstance(table.c[name].type, Text) else "") for name in kind.KEY
            )
            source = f"from {self.quoted} where {condition} order by {order}"
            self.select = f"select {_list(names)} {source}" + (" for update" if lock and not self.is_root else "")
            self.lock_select = f'select "{kind.GROUP}", "{REVISION}" {source} for update'
        if self.is_root and (REVISION not in table.c or kind.KEY != (kind.GROUP,)):
            raise TypeError(f"{table.name}: the root of an aggregate is one row by its key, with a {REVISION}")
        insert = (
            f"insert into {self.quoted} ({_list(names)}) "
            f"select {_converted(columns)} from unnest(%s) as v({_list(names)})"
        )
        if getattr(kind, "UPSERT", False):
            changes = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in self.moving)
            insert += f" on conflict ({_list(kind.KEY)}) do " + (f"update set {changes}" if changes else "nothing")
        self.insert = Write(insert, self.columns)

    def update(self, before: Iterable[Row], after: Sequence[Row]) -> Write | None:
        """An update of the columns in which any of these rows differs from what was loaded; None when none does."""
        mask, everything = 0, (1 << len(self.moving)) - 1
        for old, new in zip(before, after, strict=True):
            for i, get in enumerate(self.getters):
                if not mask >> i & 1 and get(old) is not get(new):
                    mask |= 1 << i
            if mask == everything:
                break
        if not mask and not self.is_root:
            return None
        found = self.updates.get(mask)
        if found is None:
            if len(self.updates) >= MOST_UPDATES:
                mask = everything
            found = self.updates[mask] = self._update([c for i, c in enumerate(self.moving) if mask >> i & 1])
        return found

    def touch(self) -> Write:
        """Raises the revision of roots whose aggregates changed elsewhere."""
        return self.updates.setdefault(0, self._update(()))

    def _update(self, moving: Sequence[Column]) -> Write:
        columns = (*self.keys, *moving)
        changes = [f'"{c.name}" = v."{c.name}"' + (f"::{c.sql_type}" if c.adapter else "") for c in moving]
        if self.is_root:
            changes.append(f'"{REVISION}" = t."{REVISION}" + 1')
        where = " and ".join(f't."{c.name}" = v."{c.name}"' for c in self.keys)
        names = _list(c.name for c in columns)
        sql = f"update {self.quoted} t set {', '.join(changes)} from unnest(%s) as v({names}) where {where}"
        return Write(sql, columns)

    def row(self, record: Any) -> Row:
        if not self.json:
            return self.kind(*record)
        values = list(record)
        for i, decode in self.json:
            text = values[i]
            if text is not None:
                values[i] = decode(text)
        return self.kind(*values)


def _decoder(adapter: TypeAdapter[Any]) -> Callable[[str], Any]:
    """Decodes a JSON column. Empty lists and the like come again and again; values are immutable, so they are shared.

    Larger texts are an order's own. Rows that are wanted again are kept as rows, without a second cache of parts.
    """
    plain = adapter.validate_json
    cached = lru_cache(maxsize=256)(plain)

    def decode(text: str) -> Any:
        return cached(text) if len(text) < 64 else plain(text)

    return decode


def aggregate(kind: type[Row], table: Table, *parts: Part) -> list["Book"]:
    """A root that is locked before any of its parts is read, and the parts, grouped by the root's key.

    A part never exists without its root. Every change of a part goes through a unit of work that declared the root.
    """
    return [Book(kind, table, True, root=kind), *(Book(part, its, False, root=kind) for part, its in parts)]


def mapping(*entries: "Entry | list[Book]") -> Books:
    """The books of a service, in the order in which it takes its locks.

    An entry is (row kind, table, lock for update?) and optionally a condition: rows that do not meet it are not loaded;
    or an `aggregate`.
    """
    books: dict[type[Row], Book] = {}
    for entry in entries:
        found = entry if isinstance(entry, list) else [Book(*entry)]
        books |= {book.kind: book for book in found}
    return books


def _unbounded(sql_type: str) -> str:
    """Without length: a cast to varchar(3) cuts silently, where the column itself would refuse."""
    return re.sub(r"\(.*?\)", "", sql_type)


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _converted(columns: Iterable[Column]) -> str:
    return ", ".join(f'v."{c.name}"' + (f"::{c.sql_type}" if c.adapter else "") for c in columns)
