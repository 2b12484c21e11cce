"""What is said of a transfer: its identity, its state, and how far it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from heliograph.core import SettingError


@dataclass(frozen=True, slots=True, order=True)
class TransactionId:
    """Who sends the file, and the number of the transfer among those of that entity.

    >>> TransactionId.parse("12-345")
    TransactionId(entity=12, number=345)
    >>> str(TransactionId(12, 345))
    '12-345'
    """

    entity: int
    number: int

    @classmethod
    def parse(cls, text: str) -> TransactionId:
        """Read the text form; raises `SettingError`."""
        if not re.fullmatch(r"[0-9]{1,20}-[0-9]{1,20}", text):
            raise SettingError(f"{text[:40]!r} is no transaction: give it as ENTITY-NUMBER, such as 12-345")
        entity, number = (int(word) for word in text.split("-"))
        if max(entity, number) >= 1 << 64:
            raise SettingError(f"{text!r} is no transaction: its numbers have at most 64 bits")
        return cls(entity, number)

    def __str__(self) -> str:
        return f"{self.entity}-{self.number}"


class Role(Enum):
    """Which end of a transfer this is."""

    SENDING = "sending"
    RECEIVING = "receiving"


class State(Enum):
    """How a transfer is getting on."""

    WAITING = "waiting"
    """The other end has not been heard yet, or has not agreed yet."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Here or at the other end, by an operator or because the disk is full; the reason says."""
    LINK_DOWN = "link-down"
    """Nothing is heard of the other end; goes on by itself."""
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (State.COMPLETED, State.CANCELLED, State.ABANDONED, State.FAILED)


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """A transfer as it is now."""

    id: TransactionId
    role: Role
    state: State
    size_bytes: int
    """-1 while it is not known."""
    verified_bytes: int
    """What the receiver holds durably, counted from the beginning, as far as this end knows."""
    peer: int
    """Entity at the other end."""
    destination: str = ""
    name: str = ""
    """Of its source or target, as the journal keeps it."""
    reason: str = ""
    """Why it is suspended, was cancelled, or failed."""
    closed: bool = False
    """Whether it is over, and the other end knows or need not be told."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A transfer that nobody announced, as its Metadata PDU describes it."""

    id: TransactionId
    source: str
    destination: str
    """As the sender wishes; never to be trusted as a path."""
    size_bytes: int
    address: tuple[str, int]
