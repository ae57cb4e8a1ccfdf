"""The API keys that a running service knows: from a setting, or from a file that is read again when it changes."""

from datetime import datetime
from hmac import compare_digest
from pathlib import Path

import structlog

from shared.keys import Key, Keys, WrongKeys, hashed, parsed, unknown_scopes
from shared.settings import WrongSetting, text_of

log = structlog.get_logger("comptoir.keys")


class Keyring:
    """The keys that a service knows now.

    A file is looked at again when it changed, at most every two seconds and whenever figures are asked for. One that
    cannot be used then is an alarm, and the keys that were known stay.
    """

    LOOKS_EVERY_S = 2.0

    def __init__(self, text: str, file: Path | None = None) -> None:
        """Raises WrongKeys."""
        self.file = file
        self.known: dict[str, Key] = {}
        self.wrong = ""
        self.seen = self._seen()
        self.looked_s = 0.0
        self._take(parsed(text))

    def _take(self, keys: Keys) -> None:
        self.known, self.wrong = {key.sha256: key for key in keys.keys}, ""
        if unknown := unknown_scopes(keys):
            log.warning("scopes that nothing needs", scopes=unknown)

    def find(self, key: str) -> Key | None:
        """Looked up by its hash, so how long it takes says nothing of a key that is known."""
        given = hashed(key)
        found = self.known.get(given)
        return found if found is not None and compare_digest(found.sha256, given) else None

    def look(self, monotonic_s: float | None = None) -> None:
        """Reads the file if it changed. With a time: only if the last look is long ago."""
        if self.file is None or (monotonic_s is not None and monotonic_s - self.looked_s < self.LOOKS_EVERY_S):
            return
        self.looked_s = monotonic_s if monotonic_s is not None else self.looked_s
        seen = self._seen()
        if seen == self.seen and not self.wrong:
            return
        try:
            keys = parsed(text_of("COMPTOIR_API_KEYS_FILE", self.file))
        except (WrongKeys, WrongSetting) as error:
            if str(error) != self.wrong:
                log.error("the file of API keys is wrong, the keys from before stay", error=str(error))
            self.wrong = str(error)
            return
        self.seen = seen
        self._take(keys)
        log.info("API keys were read again", keys=len(keys.keys))

    def _seen(self) -> tuple[int, int, int] | None:
        if self.file is None:
            return None
        try:
            there = self.file.stat()
        except OSError:
            return None
        return there.st_mtime_ns, there.st_ino, there.st_size

    def ends_s(self, now: datetime) -> float:
        """Seconds until the next live key ends; infinite when none does."""
        ends = [key.expires_at for key in self.known.values() if key.expires_at is not None and key.live(now)]
        return (min(ends) - now).total_seconds() if ends else float("inf")
