"""The receiving end of one transfer (CCSDS 727.0-B-5, clauses 4.6.1 to 4.6.6 and 4.11.2). Sans-IO but for its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum

from heliograph.core import HeliographError
from heliograph.link.cfdp.action import Action, Changed, Commit, Digest, Discard, Save
from heliograph.link.cfdp.digest import KNOWN
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.files import Target
from heliograph.link.cfdp.holes import NEVER_NS, Holes
from heliograph.link.cfdp.part import NO_ROOM, Part
from heliograph.link.cfdp.pdu import (
    Ack,
    ChecksumType,
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
    most_requests,
)
from heliograph.link.cfdp.repeats import LAST_WORD_NS, Repeats
from heliograph.link.cfdp.transaction import State, TransactionId

_DIGEST_EVERY_BYTES = 4_000_000
_OTHER_SIZE = "the file is not as long as it was announced: announce and send it again"
# A full disk is tried again after this.
_ROOM_AGAIN_NS = 2_000_000_000


class _Phase(Enum):
    DATA = "data comes"
    CHECKING = "all is there; its checksum and hash are taken"
    STORING = "it is right; that goes to the disk and the journal"
    COMMITTING = "it gets its final name"
    CLOSING = "it is over; that goes to the journal"
    FINISHED = "the sender is told that it is over"
    OVER = "the sender knows"


class Receiving:
    """Receives one file."""

    def __init__(self, entry: Entry, target: Target, header: Header) -> None:
        self.entry = entry
        self.header = header
        self.held = False
        """Whether the sender holds it."""
        self.actions: list[Action] = []
        self._part = Part(target, entry.extents)
        self._holes = Holes()
        self._said: list[Pdu] = []
        self._due_ns = 0
        self._room_due_ns = NEVER_NS
        self._silent_ns = 0
        self._digested_bytes = 0
        self._eof_answered = entry.eof is not None
        self._repeats = Repeats()
        # Until the sender is heard it is asked for what is missing, were it nothing.
        self._asking = entry.speaks or bool(entry.extents)
        self._asked = False
        self._phase = _Phase.DATA
        if entry.state.final:
            self._phase = _Phase.OVER if entry.closed else _Phase.FINISHED
        elif entry.whole:
            self._phase = _Phase.COMMITTING
            self.actions.append(Commit(entry))
        else:
            self._look_whole()

    @property
    def id(self) -> TransactionId:
        """Whose transaction it is, and its number."""
        return self.entry.id

    @property
    def suspended(self) -> bool:
        """Whether it is held at this end: by somebody, or by a full disk."""
        return self.entry.state is State.SUSPENDED or self.full

    @property
    def full(self) -> bool:
        """Whether there is no room on the disk."""
        return self._room_due_ns != NEVER_NS

    @property
    def started(self) -> bool:
        """Whether the sender was heard."""
        return not self._asking

    @property
    def over(self) -> bool:
        """Whether there is nothing more to say."""
        return self._phase is _Phase.OVER

    @property
    def verified_bytes(self) -> int:
        """How much is on the disk, from the beginning."""
        return self.entry.size_bytes if self.entry.state is State.COMPLETED else self._part.verified_bytes

    @property
    def due_ns(self) -> int:
        """When `say` has something to say, if nothing arrives before."""
        if self._said:
            return 0
        if self._phase is _Phase.FINISHED:
            return self._due_ns
        if self._phase is not _Phase.DATA or self.suspended:
            return NEVER_NS
        return self._due_ns if self._asking else self._holes.due_ns

    @property
    def keep_due_ns(self) -> int:
        """When `keep` has something to do."""
        if self._phase is _Phase.FINISHED:
            return NEVER_NS if self.entry.address else self._silent_ns
        save_due_ns = self._part.save_due_ns() if self._phase is _Phase.DATA else None
        return min(self._room_due_ns, NEVER_NS if save_due_ns is None else save_due_ns)

    def take(self, pdu: Pdu, now_ns: int, round_trip_ns: int) -> None:
        """Take what the sender says."""
        match pdu:
            case FileData():
                if self._phase is _Phase.DATA and not self.suspended:
                    self._take_data(pdu, now_ns, round_trip_ns)
            case Eof() if self._phase in (_Phase.FINISHED, _Phase.OVER):
                # It did not hear what was said.
                # One that would cancel a whole file is not acknowledged as such: it is the first one that is.
                whole = self.entry.state is State.COMPLETED
                condition = Condition.NO_ERROR if whole else pdu.condition
                self._said += (Ack(Directive.EOF_PDU, condition, active=False), self._finished)
            case Eof() if self._phase is _Phase.CLOSING or self._naming:
                pass  # it comes again, and hears then how this ended
            case Prompt() if self._phase is _Phase.OVER:
                self._said.append(self._finished)
            case Eof() if pdu.condition is not Condition.NO_ERROR:
                self._said.append(Ack(Directive.EOF_PDU, pdu.condition))
                self.cancel(State.CANCELLED, "cancelled at the other end")
            case Ack(of=Directive.FINISHED_PDU) if self._phase is _Phase.FINISHED:
                self._close()
            case Prompt(keep_alive=True):
                self._said.append(KeepAlive(self._part.verified_bytes))
            case Metadata() if self._phase is _Phase.DATA and not self.suspended:
                self._take_metadata(pdu)
            case Eof() if self._phase in (_Phase.DATA, _Phase.CHECKING) and not self.suspended:
                self._take_eof(pdu, now_ns, round_trip_ns)
            case Prompt() if self._phase is _Phase.DATA:
                self._ask_anew()

    def say(self, now_ns: int, patience_ns: int, rate_bytes_per_s: float, datagram_bytes: int) -> Iterator[Pdu]:
        """Give what is to be said now; `rate_bytes_per_s` is what came lately, 0 while unknown."""
        said, self._said = self._said, []
        yield from said
        if now_ns < self.due_ns:
            return
        if self._phase is _Phase.FINISHED:
            self._due_ns = now_ns + self._repeats.next_ns(patience_ns)
            yield self._finished
            return
        received, start = self._part.received, 0
        if self._asking:
            self._due_ns = now_ns + self._repeats.next_ns(patience_ns)
            self._refresh()
        asked = self._holes.due(received, now_ns, patience_ns, rate_bytes_per_s)
        if not self._asking:
            if not asked:
                return
            start = asked[0][0]
        yield from self._naks(start, asked, datagram_bytes)

    def keep(self, now_ns: int) -> None:
        """See to what is due on the disk, link or no link; and to the end of what is repeated."""
        if self._phase is _Phase.FINISHED:
            if self._silent_ns:
                self._close()
            self._silent_ns = now_ns + LAST_WORD_NS
        if now_ns >= self._room_due_ns:
            self._room_due_ns = NEVER_NS
            self.actions.append(Changed(self.id))
            if self._phase is _Phase.COMMITTING:
                self.actions.append(Commit(self.entry))
            self._ask_anew()
            self._look_whole()
            self._save()
        if now_ns >= self.keep_due_ns:
            self._save()

    def saved(self, entry: Entry) -> None:
        """Note that an entry, and the data it tells of, is on the disk."""
        if self._part.saved(entry.extents) and not entry.state.final:
            self.actions.append(Changed(self.id))
            if entry.speaks:  # cfdp-py does not like one that it did not ask for
                self._said.append(KeepAlive(self._part.verified_bytes))
        if entry.eof is not None and not self._eof_answered:
            self._eof_answered = True
            self._said.append(Ack(Directive.EOF_PDU))
        if self._phase is _Phase.CLOSING and entry.state.final:
            self._phase = _Phase.FINISHED
            self._ask_anew()
        elif self._phase is _Phase.STORING and entry.whole:
            self._phase = _Phase.COMMITTING
            self.actions.append(Commit(self.entry))

    def digested(self, checksum: int, sha256: bytes | None) -> None:
        """Take checksum and hash of the whole file."""
        if self._phase is not _Phase.CHECKING or self.entry.eof is None:
            return
        wrong = Condition.FILE_CHECKSUM_FAILURE
        if self.entry.checksum is not ChecksumType.NULL_CHECKSUM and checksum != self.entry.eof.checksum:
            self._fail("the checksum of what came is not that of the file: send it again", wrong)
        elif self.entry.sha256 is not None and sha256 != self.entry.sha256:
            self._fail("what came is not the file that was announced: announce and send it again", wrong)
        else:
            self._phase = _Phase.STORING
            self._part.close()
            self.entry = replace(self.entry, whole=True)
            self._save()

    def committed(self) -> None:
        """Note that the file has its final name."""
        if self._phase is _Phase.COMMITTING:
            self._finish(State.COMPLETED, "")

    def fail_disk(self, error: Exception, now_ns: int) -> None:
        """Note that the disk did not take data or name: wait for room, or give up."""
        if self._phase not in (_Phase.DATA, _Phase.CHECKING, _Phase.STORING, _Phase.COMMITTING):
            return
        if self._phase is not _Phase.COMMITTING:
            self._part.revert()
            self._digested_bytes = 0
            self._phase = _Phase.DATA
            self.entry = replace(self.entry, whole=False)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            if not self.full:
                self.actions.append(Changed(self.id))
            self._room_due_ns = now_ns + _ROOM_AGAIN_NS
        else:
            self._fail(f"the file cannot be written: {error}")

    def return_link(self) -> None:
        """Go on at once after an outage, or when the sender holds it no longer."""
        self._ask_anew()

    def suspend(self, reason: str) -> None:
        """Hold it; one that is whole already is not held any more."""
        if self._phase in (_Phase.DATA, _Phase.CHECKING):
            self._turn(State.SUSPENDED, reason)

    def resume(self) -> None:
        """Let it go on; the sender is asked for what is missing, were it nothing."""
        if self._phase in (_Phase.DATA, _Phase.CHECKING):
            self._room_due_ns = NEVER_NS
            self._turn(State.WAITING, "")
            self._ask_anew()

    def cancel(self, state: State, reason: str) -> None:
        """End it, and have the sender know; too late while the file gets its final name."""
        if not self._naming:
            self.actions.append(Discard(self.entry))
            self._finish(state, reason)

    def abandon(self) -> None:
        """End it without a word; too late while the file gets its final name."""
        if not self._naming:
            self.entry = replace(self.entry, closed=True)
            self.cancel(State.ABANDONED, "abandoned at this end")
            self._phase = _Phase.OVER

    def close(self) -> None:
        """Close the file."""
        self._part.close()

    @property
    def _finished(self) -> Finished:
        match self.entry.state:
            case State.COMPLETED:
                return Finished()
            case State.FAILED:
                return Finished(self.entry.condition, complete=False, retained=False)
        return Finished(Condition.CANCEL_REQUEST_RECEIVED, complete=False, retained=False)

    @property
    def _naming(self) -> bool:
        """Whether the file may have its final name by now."""
        return self._phase is _Phase.COMMITTING and not self.full

    @property
    def _scope_bytes(self) -> int:
        """How much of the file the sender has sent at least once, as far as this end knows."""
        return self._part.received.end if self.entry.eof is None else self.entry.size_bytes

    def _take_data(self, pdu: FileData, now_ns: int, round_trip_ns: int) -> None:
        end = pdu.offset + len(pdu.data)
        if end > self.entry.size_bytes >= 0:
            self._fail("more came than the file is long: announce and send it again", Condition.FILE_SIZE_ERROR)
            return
        before = self._part.received.end
        try:
            self._part.write(pdu.offset, pdu.data, now_ns)
        except (OSError, HeliographError) as error:
            self.fail_disk(error, now_ns)
            return
        self._hear()
        if pdu.offset > before:
            self._holes.see(before, pdu.offset, now_ns, round_trip_ns)
        if self._part.received.prefix - self._digested_bytes >= _DIGEST_EVERY_BYTES:
            self._digested_bytes = self._part.received.prefix
            self.actions.append(Digest(self.entry, self._digested_bytes, whole=False))
        self._look_whole()

    def _take_metadata(self, pdu: Metadata) -> None:
        if pdu.checksum not in KNOWN:
            self._fail(
                f"the sender's checksum {pdu.checksum.name} is unknown here: choose another",
                Condition.UNSUPPORTED_CHECKSUM_TYPE,
            )
        elif pdu.size_bytes != self.entry.size_bytes:
            self._fail(_OTHER_SIZE, Condition.FILE_SIZE_ERROR)

    def _take_eof(self, pdu: Eof, now_ns: int, round_trip_ns: int) -> None:
        if pdu.size_bytes != self.entry.size_bytes:
            self._fail(_OTHER_SIZE, Condition.FILE_SIZE_ERROR)
            return
        if self._eof_answered:
            self._said.append(Ack(Directive.EOF_PDU))
        if self.entry.eof is None:
            self._hear()
            self._holes.see(self._part.received.end, pdu.size_bytes, now_ns, round_trip_ns)
            self.entry = replace(self.entry, eof=pdu)
            self._save()
            self._look_whole()

    def _look_whole(self) -> None:
        whole = self._part.received.total == self.entry.size_bytes and self.entry.eof is not None
        if self._phase is _Phase.DATA and whole:
            self._phase = _Phase.CHECKING
            self.actions.append(Digest(self.entry, self.entry.size_bytes, whole=True))

    def _ask_anew(self) -> None:
        self._asking, self._asked, self._due_ns = True, False, 0
        self._repeats = Repeats()

    def _hear(self) -> None:
        """Note that data comes: the sender need not be asked for a sign any more, only for what is missing."""
        if self._asking:
            self._asking = False
            if not self._asked:
                self._refresh()

    def _refresh(self) -> None:
        self._asked = True
        self._holes.refresh(self._part.received.missing(0, self._scope_bytes))

    def _naks(self, start: int, asked: list[tuple[int, int]], datagram_bytes: int) -> Iterator[Nak]:
        """Split what is asked for over as many NAKs as it takes (clause 4.6.4.2)."""
        most = most_requests(self.header, datagram_bytes)
        while len(asked) > most:
            now, asked = asked[:most], asked[most:]
            yield Nak(start, now[-1][1], tuple(now))
            start = now[-1][1]
        yield Nak(start, max(self._scope_bytes, start), tuple(asked))

    def _turn(self, state: State, reason: str) -> None:
        self.entry = replace(self.entry, state=state, reason=reason)
        self._save()
        self.actions.append(Changed(self.id))

    def _fail(self, reason: str, condition: Condition = Condition.FILESTORE_REJECTION) -> None:
        self.entry = replace(self.entry, condition=condition)
        self.actions.append(Discard(self.entry))
        self._finish(State.FAILED, reason)

    def _save(self) -> None:
        self.entry = replace(self.entry, extents=self._part.save())
        self.actions.append(Save(self.entry, sync=True))

    def _close(self) -> None:
        self._phase = _Phase.OVER
        self.entry = replace(self.entry, closed=True)
        self.actions.append(Save(self.entry))

    def _finish(self, state: State, reason: str) -> None:
        self._phase, self._room_due_ns = _Phase.CLOSING, NEVER_NS
        self._part.close()
        self.entry = replace(self.entry, state=state, reason=reason)
        self.actions += (Save(self.entry), Changed(self.id))
