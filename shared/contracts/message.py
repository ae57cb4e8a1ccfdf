"""What a message is: a frozen, versioned, self-contained value with a public key."""

from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict


@lru_cache(maxsize=8192)
def text_of(id: UUID) -> str:
    """The text of an id. UUID makes it anew each time, in Python, and every event names its order and its cause."""
    return str(id)


class Value(BaseModel):
    """A part of a message. Frozen and hashable; unknown fields of newer senders are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Value):
    """One request or fact. Its key, written by hand, is the public contract; the class name is not."""

    registry: ClassVar[dict[str, type["Message"]]] = {}
    key: ClassVar[str] = ""

    def __init_subclass__(cls, *, key: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if key:  # bases such as Command have none
            if key in Message.registry:
                raise TypeError(f"{key} is declared twice")
            Message.registry[key] = cls
            cls.key = key

    @property
    def subject(self) -> str:
        """The key of the aggregate that the message is about; an order's id for nearly all."""
        id = self.__dict__.get("order_id")
        return "" if id is None else text_of(id)

    @property
    def owner(self) -> str:
        """The service that obeys the command or tells the fact."""
        return self.key.partition(".")[0]


class Command(Message):
    """A request to exactly one service, its owner. It waits in the outbox until that service's queue took it."""


class Internal(Command):
    """A service's word to itself: a timer, or the answer of an outside call. It never travels on the bus."""


class Event(Message):
    """A fact, already true. Nobody has to listen."""


class Statement(Event):
    """The sender's whole view of one thing, cumulative since the order began. The newest version wins."""

    order_id: UUID
    version: int


S = TypeVar("S", bound=Statement)


def newer(known: S | None, heard: S) -> S:
    """The only merge there is: late, repeated and reordered statements lose against what is known."""
    return heard if known is None or heard.version > known.version else known
