"""How a process hears that it should end, before anything of ours listens. Imports nothing, so that it comes first."""

import signal
from types import FrameType


def end_at_sigterm() -> None:
    """SIGTERM ends the process as Ctrl-C does, with everything that it has opened."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
