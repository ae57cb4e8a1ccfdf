"""API keys in a file, or in the folder of `comptoir access secrets`, where each service has its copy.

Whoever changes keys holds a lock meanwhile, so two commands at once lose nothing. Copies are read together and written
alike, so a command that was cut off half-way is simply given again.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.keys import ACT_AS, ALL, SCOPES, Key, Keys, WrongKeys, hashed, made, parsed, well_formed
from shared.messaging.topology import SERVICES
from shared.serve import NotHere
from shared.settings import text_of

TWO = 2
"""Keys that one name may have at a time: the one in use, and the one that takes its place."""
NAME_IN_FOLDER = "api_keys"


@dataclass(frozen=True)
class KeyFiles:
    """A file of keys, or the folder with a copy per service."""

    place: Path

    @property
    def files(self) -> tuple[Path, ...]:
        if self.place.is_dir():
            return tuple(self.place / service / NAME_IN_FOLDER for service in SERVICES)
        return (self.place,)

    def read(self) -> tuple[Key, ...]:
        """All keys of all copies, each once; none where there is no file yet. Raises WrongKeys, WrongSetting."""
        found: dict[str, Key] = {}
        for file in self.files:
            if not file.exists():
                continue
            try:
                keys = parsed(text_of("--file", file))
            except WrongKeys as error:
                raise WrongKeys(f"{file}: {error}") from None
            found = {key.sha256: key for key in keys.keys} | found
        return tuple(found.values())

    def change(self, how: Callable[[tuple[Key, ...]], Sequence[Key]]) -> None:
        with self._locked():
            # through the same checks as whoever reads it, so that nothing is written that a service refuses
            fresh = parsed(Keys.model_construct(keys=tuple(how(self.read()))).model_dump_json())
            text = json.dumps(fresh.model_dump(mode="json", exclude_none=True), indent=2) + "\n"
            for file in self.files:
                write(file, text)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = self.place if self.place.is_dir() else self.place.absolute().parent
        try:
            held = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise NotHere(f"cannot open {folder}: {error.strerror}") from None
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)


def write(file: Path, text: str) -> None:
    """Whole or not at all. Readable by all, as the services are other users, and hashes open nothing."""
    fresh = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with fresh.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.chmod(0o444)
        fresh.rename(file)
    except OSError as error:
        raise NotHere(f"cannot write {file}: {error.strerror}") from None


def checked(scopes: Sequence[str]) -> tuple[str, ...]:
    """Raises NotHere for a scope that there is not."""
    found = tuple(dict.fromkeys(scopes))
    if not found:
        raise NotHere("a key without a scope opens nothing: --scope orders:place; `comptoir key scopes` has them all")
    if unknown := [scope for scope in found if scope not in SCOPES]:
        raise NotHere(f"there is no scope {', '.join(unknown)}; `comptoir key scopes` has them all")
    return found


def make(
    files: KeyFiles,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    *,
    channel: str | None = None,
    expires_at: datetime | None = None,
    per_minute: int | None = None,
) -> str:
    """A new key, which is known from now on; it is told once and kept nowhere. Raises NotHere, WrongKeys."""
    fields: dict[str, Any] = {"name": name, "channel": channel, "per_minute": per_minute, "scopes": checked(scopes)}
    return _added(files, fields, now, expires_at, taken=lambda there: bool(there))


def rotate(files: KeyFiles, name: str, now: datetime, expires_at: datetime | None = None) -> str:
    """A second key that may what the newest of this name may; the old one works until it is revoked."""
    there = [key for key in files.read() if key.name == name]
    if not there:
        raise NotHere(f"there is no key of the name {name}")
    newest = max(there, key=lambda key: key.made_at)
    fields = newest.model_dump(include={"name", "channel", "per_minute", "scopes"})
    return _added(files, fields, now, expires_at, taken=lambda there: len(there) >= TWO)


def _added(
    files: KeyFiles,
    fields: dict[str, Any],
    now: datetime,
    expires_at: datetime | None,
    taken: Callable[[list[Key]], bool],
) -> str:
    if expires_at is not None and expires_at <= now:
        raise NotHere(f"it would have expired at {expires_at:%Y-%m-%d %H:%M}, before it was made")
    secret = made()
    record = {**fields, "sha256": hashed(secret), "made_at": now, "expires_at": expires_at}

    def add(known: tuple[Key, ...]) -> list[Key]:
        if taken([key for key in known if key.name == fields["name"]]):
            raise NotHere(
                f"there is a key {fields['name']}; `comptoir key rotate` makes the one that takes its place, "
                "`comptoir key revoke` ends it"
            )
        return [*known, Key.model_construct(**record)]

    files.change(add)
    return secret


def revoke(files: KeyFiles, name: str, id: str = "", *, all_of_it: bool = False) -> list[Key]:
    """Those that are gone. Of two of a name one has to be named. Raises NotHere."""
    gone: list[Key] = []

    def without(known: tuple[Key, ...]) -> list[Key]:
        there = [key for key in known if key.name == name and key.id.startswith(id)]
        if not there:
            raise NotHere(f"there is no key {name}{f' ({id})' if id else ''}")
        if len(there) > 1 and not all_of_it:
            said = ", ".join(f"{key.id} of {key.made_at:%Y-%m-%d %H:%M}" for key in there)
            raise NotHere(f"{name} has {len(there)} keys: {said}; name one with --id, or all with --all")
        gone.extend(there)
        return [key for key in known if key not in there]

    files.change(without)
    return gone


def check(files: KeyFiles, key: str, now: datetime) -> Key:
    """What a key is. Raises NotHere for one that is not whole, not known or has expired."""
    if not well_formed(key):
        raise NotHere("this is no API key: it is comptoir_ and 49 letters and digits, of which the last six must fit")
    found = next((each for each in files.read() if each.sha256 == hashed(key)), None)
    if found is None:
        raise NotHere("this API key is whole, but not known here")
    if not found.live(now):
        raise NotHere(f"the API key {found.name} ({found.id}) expired at {found.expires_at:%Y-%m-%d %H:%M} UTC")
    return found


def alone(name: str, now: datetime) -> tuple[str, str]:
    """A key for everything, and the text of a file that knows it alone: for a suite that is made to be measured."""
    secret = made()
    key = Key(name=name, sha256=hashed(secret), scopes=(ALL, ACT_AS), made_at=now)
    return secret, Keys(keys=(key,)).model_dump_json()


def ours(files: KeyFiles, name: str, now: datetime) -> str:
    """A key for a program of our own that acts for people: everything, in anybody's name."""
    fields: dict[str, Any] = {"name": name, "scopes": (ALL, ACT_AS)}
    return _added(files, fields, now, None, taken=lambda there: False)
