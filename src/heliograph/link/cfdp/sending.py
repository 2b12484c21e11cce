"""The sending end of one transfer (CCSDS 727.0-B-5, clauses 4.6.1 to 4.6.6 and 4.11.2). Sans-IO but for its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import BinaryIO

from heliograph.core import HeliographError
from heliograph.link.cfdp.action import Action, Changed, Digest, Save
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.extents import Extents
from heliograph.link.cfdp.files import Identity, Source
from heliograph.link.cfdp.pdu import (
    LARGE_BYTES,
    Ack,
    Condition,
    Directive,
    Eof,
    FileData,
    Finished,
    Header,
    KeepAlive,
    Metadata,
    Nak,
    Pdu,
    Prompt,
)
from heliograph.link.cfdp.repeats import LAST_WORD_NS, Repeats
from heliograph.link.cfdp.transaction import State, TransactionId

NEVER_NS = 1 << 62
_REPLACED = "another file has its name now: send that one anew"
_CHANGED = "the file changed while it was being sent: send it again"


class _Phase(Enum):
    OPENING = "the receiver is asked what it has"
    DATA = "data is sent"
    EOF = "all was sent once, which the receiver has not acknowledged yet"
    FINISHED = "the receiver fills its holes and checks the file"
    CLOSING = "the receiver is through; that goes to the journal"
    CANCELLING = "the receiver does not know yet that it is over"
    OVER = "over"


class Sending:
    """Sends one file."""

    def __init__(self, entry: Entry, source: Source) -> None:
        self.entry = entry
        self.header = Header(entry.id, entry.peer, large=entry.size_bytes >= LARGE_BYTES)
        self.verified_bytes = entry.size_bytes if entry.state is State.COMPLETED else 0
        self.held = False
        """Whether the receiver holds it."""
        self._due_ns = 0
        self._silent_ns = 0
        self.actions: list[Action] = []
        self._source = source
        self._file: BinaryIO | None = None
        self._sent = 0
        self._again = Extents()
        self._checksum: int | None = None
        self._said: list[Pdu] = []
        self._repeats = Repeats()
        # Another implementation may say nothing before EOF, so it is not asked.
        self._phase = _Phase.OPENING if entry.speaks else _Phase.DATA
        self._metadata_due = True
        if entry.state.final:
            self._phase = _Phase.OVER if entry.closed else _Phase.CANCELLING
        else:
            self.actions.append(Digest(entry, entry.size_bytes, whole=True))

    @property
    def id(self) -> TransactionId:
        """Whose transaction it is, and its number."""
        return self.entry.id

    @property
    def suspended(self) -> bool:
        """Whether it is held at this end."""
        return self.entry.state is State.SUSPENDED

    @property
    def started(self) -> bool:
        """Whether the receiver has agreed."""
        return self._phase is not _Phase.OPENING

    @property
    def due_ns(self) -> int:
        """When `say` has something to say, if nothing arrives before."""
        if self._said:
            return 0
        return NEVER_NS if self.suspended else self._due_ns

    @property
    def keep_due_ns(self) -> int:
        """When `keep` has something to do."""
        if self._phase is not _Phase.CANCELLING or self.entry.address:
            return NEVER_NS
        return self._silent_ns

    @property
    def over(self) -> bool:
        """Whether there is nothing more to say."""
        return self._phase is _Phase.OVER

    @property
    def has_data(self) -> bool:
        """Whether there is data to send now."""
        if self.suspended or self.held or self._phase in (_Phase.OPENING, _Phase.CLOSING, _Phase.CANCELLING):
            return False
        return bool(self._again) or (self._phase is _Phase.DATA and self._sent < self.entry.size_bytes)

    def next_data(self, most_bytes: int) -> FileData | None:
        """Give the next piece of the file; None when it cannot be read, which ends the transfer."""
        if self._again:
            start, end = self._again.first(most_bytes)
            self._again.remove(start, end)
        else:
            start, end = self._sent, min(self._sent + most_bytes, self.entry.size_bytes)
            self._sent = end
        data = self._read(start, end - start)
        if data is None:
            return None
        if not self._again and self._sent == self.entry.size_bytes:
            self._hurry()  # time for EOF
        return FileData(start, data)

    def take(self, pdu: Pdu) -> None:
        """Take what the receiver says."""
        if self.suspended and not isinstance(pdu, Finished):
            return
        match pdu:
            case Nak():
                self._take_nak(pdu)
            case KeepAlive() if pdu.progress > self.verified_bytes:
                self.verified_bytes = min(pdu.progress, self.entry.size_bytes)
                self.actions.append(Changed(self.id))
            case Ack(of=Directive.EOF_PDU) if self._phase is _Phase.EOF:
                self._phase, self._due_ns = _Phase.FINISHED, NEVER_NS
            case Ack(of=Directive.EOF_PDU) if self._phase is _Phase.CANCELLING and pdu.condition is self._condition:
                self._close()
            case Finished():
                self._take_finished(pdu)

    def say(self, now_ns: int, patience_ns: int) -> Iterator[Pdu]:
        """Give what is to be said now."""
        said, self._said = self._said, []
        yield from said
        if now_ns < self.due_ns:
            return
        self._due_ns = NEVER_NS
        if self._phase in (_Phase.CLOSING, _Phase.OVER):
            return
        if self._phase is _Phase.CANCELLING:
            yield self._cancellation
            self._due_ns = now_ns + self._repeats.next_ns(patience_ns)
            return
        if self._phase is _Phase.OPENING or self._metadata_due:
            self._metadata_due = False
            yield self._metadata
        if self._phase is _Phase.OPENING:
            yield Prompt()
            self._due_ns = now_ns + self._repeats.next_ns(patience_ns)
        elif self._phase is _Phase.DATA and self._all_sent and self._read(0, 0) is not None:
            self._phase = _Phase.EOF
        if self._phase is _Phase.EOF and not self.held and self._checksum is not None:
            yield Eof(self._checksum, self.entry.size_bytes)
            self._due_ns = now_ns + self._repeats.next_ns(patience_ns)

    def keep(self, now_ns: int) -> None:
        """See to the end of what is repeated, where nobody may ever hear it."""
        if self._silent_ns:
            self._close()
        self._silent_ns = now_ns + LAST_WORD_NS

    def digested(self, checksum: int) -> None:
        """Take the checksum of the whole file."""
        self._checksum = checksum
        self._hurry()

    def return_link(self) -> None:
        """Go on at once after an outage, or when the receiver holds it no longer."""
        self._hurry()

    def suspend(self, reason: str) -> None:
        """Hold it."""
        self._set(State.SUSPENDED, reason)

    def resume(self) -> None:
        """Let it go on; the receiver is asked anew what it has."""
        self._set(State.WAITING)
        if self.entry.speaks and self._phase in (_Phase.DATA, _Phase.EOF, _Phase.FINISHED):
            self._phase, self._again = _Phase.OPENING, Extents()
        self._hurry()

    def cancel(self, state: State, reason: str) -> None:
        """End it, and have the receiver know."""
        self._finish(_Phase.CANCELLING, state, reason)

    def abandon(self) -> None:
        """End it without a word."""
        self._finish(_Phase.OVER, State.ABANDONED, "abandoned at this end", closed=True)

    def saved(self, entry: Entry) -> None:
        """Note that an entry is in the journal."""
        if self._phase is _Phase.CLOSING and entry.closed:
            # Only now may the receiver forget it.
            self._phase = _Phase.OVER
            self._said.append(Ack(Directive.FINISHED_PDU, _condition(entry.state)))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def _metadata(self) -> Metadata:
        entry = self.entry
        # Names are at most 255 octets (clause 5.1.9); the announced one counts between Heliographs.
        source = entry.name.rpartition("/")[2].encode()[:255].decode(errors="ignore")
        return Metadata(
            entry.size_bytes, source, entry.destination.encode()[:255].decode(errors="ignore"), entry.checksum
        )

    @property
    def _cancellation(self) -> Eof:
        return Eof(self._checksum or 0, self._sent, self._condition)

    @property
    def _all_sent(self) -> bool:
        return self._sent == self.entry.size_bytes and not self._again

    @property
    def _condition(self) -> Condition:
        return _condition(self.entry.state)

    def _take_nak(self, nak: Nak) -> None:
        if self._phase is _Phase.OVER and self.entry.state in (State.CANCELLED, State.FAILED):
            self._said.append(self._cancellation)  # it did not hear that
        if self._phase in (_Phase.CLOSING, _Phase.CANCELLING, _Phase.OVER):
            return
        if self._phase is _Phase.OPENING:
            self._phase, self._sent = _Phase.DATA, 0
            self.actions.append(Changed(self.id))
            self._hurry()
        if (0, 0) in nak.missing:
            self._said.append(self._metadata)
        # Below the end of its scope the receiver has all that it does not ask for.
        if self._phase is _Phase.DATA:
            self._sent = max(self._sent, min(nak.end, self.entry.size_bytes))
        for start, end in nak.missing:
            self._again.add(start, min(end, self._sent))
        if self._phase is _Phase.DATA and self._all_sent:
            self._hurry()

    def _take_finished(self, finished: Finished) -> None:
        if self._phase in (_Phase.CLOSING, _Phase.OVER):
            return
        if finished.condition is Condition.NO_ERROR and finished.complete:
            self.verified_bytes = self.entry.size_bytes
            self._finish(_Phase.CLOSING, State.COMPLETED, "", closed=True)
        elif self._phase is _Phase.CANCELLING:
            self._finish(_Phase.CLOSING, self.entry.state, self.entry.reason, closed=True)
        elif finished.condition is Condition.CANCEL_REQUEST_RECEIVED:
            self._finish(_Phase.CLOSING, State.CANCELLED, "cancelled at the other end", closed=True)
        else:
            reason = f"the receiver gave up: {finished.condition.name.lower().replace('_', ' ')}"
            self._finish(_Phase.CLOSING, State.FAILED, reason, closed=True)

    def _read(self, start: int, length: int) -> bytes | None:
        try:
            if self._file is None:
                self._file = self._source.open()
            identity = Identity.of(self._file)
            if identity != self.entry.identity:
                replaced = self.entry.identity is not None and identity.inode != self.entry.identity.inode
                self.cancel(State.FAILED, _REPLACED if replaced else _CHANGED)
                return None
            self._file.seek(start)
            data = self._file.read(length)
        except (OSError, HeliographError) as error:
            self.cancel(State.FAILED, f"the file cannot be read ({error})")
            return None
        if len(data) != length:
            self.cancel(State.FAILED, _CHANGED)
            return None
        return data

    def _hurry(self) -> None:
        """Have `say` called at once, and what it repeats repeated soon."""
        self._due_ns = 0
        self._repeats = Repeats()

    def _finish(self, phase: _Phase, state: State, reason: str, *, closed: bool = False) -> None:
        self._phase = phase
        self._hurry()
        self._again = Extents()
        self.close()
        self.entry = replace(self.entry, closed=closed)
        self._set(state, reason)

    def _close(self) -> None:
        self._phase = _Phase.OVER
        self.entry = replace(self.entry, closed=True)
        self.actions.append(Save(self.entry))

    def _set(self, state: State, reason: str = "") -> None:
        if (state, reason) != (self.entry.state, self.entry.reason) or state.final:
            self.entry = replace(self.entry, state=state, reason=reason)
            self.actions += (Save(self.entry), Changed(self.id))


def _condition(state: State) -> Condition:
    """Give the condition that tells the receiver of a state."""
    if state is State.COMPLETED:
        return Condition.NO_ERROR
    return Condition.FILESTORE_REJECTION if state is State.FAILED else Condition.CANCEL_REQUEST_RECEIVED
