"""Named places where a process can be made to fail, for tests. Without COMPTOIR_FAILPOINT they do nothing at all.

COMPTOIR_FAILPOINT is read at import: `point=action` parts, separated by commas, or `@folder`. Process 123 then finds
the same text in the file `123` of that folder and looks there on every hit, so that it can be armed while it runs. An
action is one of

    kill        SIGKILL of this process: a power cut
    stop        SIGSTOP of this process: a pause that somebody else must end
    sleep:250   blocks the process for so many milliseconds
    raise       raises Failed

and may end in `@k`: the k-th hit only, counted since the point was armed. With `@folder`, each hit is also written to
`123.hits`, one name a line, at once: a process that is killed leaves its counts behind.
"""

import os
import signal
import time
from asyncio import get_running_loop
from collections import Counter
from pathlib import Path

VARIABLE = "COMPTOIR_FAILPOINT"
SHORTLY_S = 0.001
"""After this a frame has been written, and a quorum queue has rarely confirmed it."""


class Failed(Exception):
    """What the action `raise` raises."""


class Failpoints:
    """A plan of what fails where."""

    def __init__(self, text: str) -> None:
        self.file = Path(text[1:]) / str(os.getpid()) if text.startswith("@") else None
        self.hits = os.open(f"{self.file}.hits", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644) if self.file else -1
        self.seen = ""
        self.armed: dict[str, tuple[str, int]] = {}
        self.counts: Counter[str] = Counter()
        if self.file is None:
            self.arm(text)

    def arm(self, text: str) -> None:
        """Forgets what was counted. A plan that cannot be read stops the process: a test must not pass by a typo."""
        self.seen = text
        self.armed = {}
        self.counts.clear()
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, what = part.partition("=")
            action, _, k = what.partition("@")
            if action.partition(":")[0] not in ("kill", "stop", "sleep", "raise"):
                raise ValueError(f"{VARIABLE}: {part!r} names no action")
            self.armed[name] = (action, int(k or 0))

    def hit(self, name: str) -> None:
        if self.file is not None:
            os.write(self.hits, f"{name}\n".encode())
            try:
                text = self.file.read_text()
            except FileNotFoundError:
                text = ""
            if text != self.seen:
                self.arm(text)
        if name not in self.armed:
            return
        self.counts[name] += 1
        action, k = self.armed[name]
        if not k or self.counts[name] == k:
            self.act(name, action)

    def act(self, name: str, action: str) -> None:
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif action == "raise":
            raise Failed(name)
        else:
            time.sleep(int(action.partition(":")[2]) / 1000)

    def hit_shortly(self, name: str) -> None:
        get_running_loop().call_later(SHORTLY_S, self.hit, name)


def failpoint(name: str) -> None:
    """Here a test may have the process fail."""


def failpoint_shortly(name: str) -> None:
    """As `failpoint`, while what comes next waits for its answer."""


if _text := os.environ.get(VARIABLE, ""):
    _armed = Failpoints(_text)
    failpoint, failpoint_shortly = _armed.hit, _armed.hit_shortly
