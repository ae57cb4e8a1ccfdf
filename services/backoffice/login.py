"""Passwords and cookies: what proves who somebody is. Hashing takes its time on purpose, beside the loop."""

import asyncio
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=2, type=Type.ID)
NOBODY = HASHER.hash(secrets.token_urlsafe(16))
"""Checked for a name that is unknown, so that the time of the answer does not tell which names there are."""
CHECKERS = ThreadPoolExecutor(2, "password")
"""So many are checked at a time: each takes 64 MiB, and who tries thousands must not take all there is."""
SHORTEST, LONGEST = 10, 200
SECURE, PLAIN = "__Host-comptoir", "comptoir"
"""The cookie over HTTPS; and at the machine itself, where there is none."""


def hashed(password: str) -> str:
    """As it is kept. Raises ValueError for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"a password has {SHORTEST} to {LONGEST} characters")
    return HASHER.hash(password)


async def right(kept: str, password: str) -> bool:
    """Whether this is the password; always takes about the same time."""

    def check() -> bool:
        try:
            return HASHER.verify(kept or NOBODY, password[:LONGEST]) and bool(kept)
        except (Argon2Error, InvalidHashError):
            return False

    return await asyncio.get_running_loop().run_in_executor(CHECKERS, check)


def token() -> str:
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What the table holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())


def onward(path: str) -> str:
    """A place of these pages to go on to; the first one for anything else."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside else "/"
