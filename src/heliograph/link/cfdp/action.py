"""What the engine wants done where it must not wait: on the disk. Each is answered by a call.

Any of the first four may be answered by `failed` instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.transaction import TransactionId


@dataclass(frozen=True, slots=True)
class Save:
    """Have the data on the disk where `sync` says so, then the entry in the journal; then `saved`."""

    entry: Entry
    sync: bool = False


@dataclass(frozen=True, slots=True)
class Digest:
    """Take checksum and hash of the file's beginning up to `end`, little by little; `digested` when that is all."""

    entry: Entry
    end: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """Give the file its final name; then `committed`."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Discard:
    """Remove what came so far; nothing is answered."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Changed:
    """Tell whoever wants to know how the transfer is getting on; nothing is answered."""

    id: TransactionId


Action = Save | Digest | Commit | Discard | Changed
