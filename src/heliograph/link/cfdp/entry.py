"""A transfer as the journal keeps it: what a restart needs."""

from __future__ import annotations

from dataclasses import dataclass

from heliograph.link.cfdp.files import Identity
from heliograph.link.cfdp.pdu import ChecksumType, Condition, Eof
from heliograph.link.cfdp.transaction import Role, State, TransactionId


@dataclass(frozen=True, slots=True)
class Entry:
    """One transfer."""

    id: TransactionId
    role: Role
    peer: int
    name: str
    """Of the `Source` or `Target`."""
    destination: str
    """As it was asked for."""
    size_bytes: int
    """-1 while it is not known."""
    sha256: bytes | None = None
    checksum: ChecksumType = ChecksumType.CRC_32
    priority: int = 0
    speaks: bool = True
    """Whether the other end is a Heliograph."""
    address: tuple[str, int] | None = None
    """Where the other end was heard last, or is expected."""
    state: State = State.WAITING
    reason: str = ""
    condition: Condition = Condition.FILESTORE_REJECTION
    """Why it failed, in the words of CFDP."""
    closed: bool = False
    """Whether the other end knows of the end, or is told only when it asks."""
    identity: Identity | None = None
    """Of the file that is sent."""
    extents: bytes = b""
    """What is on the disk, as `Extents.pack` gives it."""
    eof: Eof | None = None
    """The EOF PDU that was received."""
    whole: bool = False
    """The file was checked and is on the disk, but may not have its final name yet."""
