"""Aggregates that this process committed last: what need not be read again while nobody else has changed them."""

import random
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from shared.messaging.decision import Key, Row

Parts = Mapping[type[Row], Mapping[Key, Row]]
LARGEST = 500
"""Rows of one aggregate; larger ones are read again each time."""


@dataclass(slots=True)
class Kept:
    revision: int
    parts: Parts
    place: int  # among the keys
    size: int


class Shelf:
    """At most so many rows, by root and group. What is here is right only under the lock of a root of that revision.

    When it is full a random aggregate gives way: under a backlog orders come round in turn, and whichever was used
    longest ago would be the next one wanted.
    """

    def __init__(self, most_rows: int) -> None:
        self.most_rows, self.rows = most_rows, 0
        self.kept: dict[tuple[type[Row], Hashable], Kept] = {}
        self.keys: list[tuple[type[Row], Hashable]] = []
        self.draw = random.Random(0)
        self.hits = self.misses = 0

    def find(self, root: type[Row], group: Hashable, revision: int) -> Parts:
        """The parts as they are at this revision; those that are not kept are missing."""
        found = self.kept.get((root, group))
        if found is not None and found.revision == revision:
            self.hits += 1
            return found.parts
        self.misses += 1
        return {}

    def put(self, root: type[Row], group: Hashable, revision: int, parts: Parts) -> None:
        key = (root, group)
        size = 1 + sum(map(len, parts.values()))
        found = self.kept.get(key)
        if found is not None:
            self.rows += size - found.size
            found.revision, found.parts, found.size = revision, parts, size
        else:
            self.kept[key] = Kept(revision, parts, len(self.keys), size)
            self.keys.append(key)
            self.rows += size
        if size > LARGEST:
            self.drop(key)
        while self.rows > self.most_rows:
            self.drop(self.keys[self.draw.randrange(len(self.keys))])

    def drop(self, key: tuple[type[Row], Hashable]) -> None:
        gone = self.kept.pop(key)
        self.rows -= gone.size
        last = self.keys.pop()
        if gone.place < len(self.keys):
            self.keys[gone.place] = last
            self.kept[last].place = gone.place
