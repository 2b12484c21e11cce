"""Asks a camera for packets that did not arrive: which ones, when, and how often. Sans-IO, in batches.

A request is GVCP's PACKETRESEND (Wireshark's packet-gvcp.c): stream channel, block id, first and last packet id. It has
no acknowledge; the packets come again on the stream, or an empty one with a status that says why not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heliograph.gige.gvcp import Command, CommandPacket, Flag, Status

PacketIds = npt.NDArray[np.intp]

NEVER_NS = 2**63 - 1

# Networks reorder packets within far less; Aravis waits 1 ms too.
_REORDERING_NS = 2_000_000
# Waits after the first, second ... request. The answer queues behind what the camera sends anyway: 8 ms in a switch
# with a buffer of 1 MB at 1 Gbit/s. All of them together stay below the 0.5 s after which a block is given up.
_WAITS_NS = np.array([0, 15, 25, 40, 60, 60, 60, 60, 60], np.int64) * 1_000_000
_TRIES = len(_WAITS_NS) - 1
# What a camera has not sent yet is asked for again after this.
_LATER_NS = 20_000_000
# Requests that wait for their packets at a time: a camera whose processor is busy must not drown in them, and they
# share its socket buffer (212992 bytes, of which each takes 768) with commands and heartbeats.
_MOST_WAITING = 128
_REST_NS = 1_000_000
# Packets that may be asked for in all, repeats included, as a multiple of those a block has.
_BUDGET_FACTOR = 2

_STANDARD = struct.Struct(">HHII")
_EXTENDED = struct.Struct(">HHIIQ")


@dataclass(frozen=True, slots=True)
class ResendRequest:
    """Packets `first` to `last` of a block, both included; 0 is the leader.

    >>> ResendRequest(block_id=7, first=2, last=5).pack(request_id=1, extended=False).hex(" ")
    '42 00 00 40 00 0c 00 01 00 00 00 07 00 00 00 02 00 00 00 05'
    """

    block_id: int
    first: int
    last: int

    def pack(self, request_id: int, *, extended: bool) -> bytes:
        """Give the datagram for a camera's GVCP port; `extended` where block ids of the stream have 64 bits."""
        if extended:
            payload = _EXTENDED.pack(0, 0, self.first, self.last, self.block_id)
        else:
            payload = _STANDARD.pack(0, self.block_id, self.first, self.last)
        flags = Flag.EXTENDED if extended else Flag.NONE
        return CommandPacket(Command.PACKETRESEND, request_id, payload, flags).pack()


class Answers:
    """How promptly a camera answers, over all blocks of a stream: nothing is asked for twice before that time is over.

    Otherwise a camera that is slow for a moment would get more requests the slower it is.
    """

    def __init__(self) -> None:
        self._usual_ns = 0
        self.waiting = 0
        """Requests that wait for their packets."""

    @property
    def room(self) -> int:
        """Requests that may be made now."""
        return max(0, _MOST_WAITING - self.waiting)

    def note(self, took_ns: int) -> None:
        """Take note of the time from a request to its packets."""
        self._usual_ns += (took_ns - self._usual_ns) // 8

    def waits_ns(self, tries: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Give how long to wait after so many requests for one packet."""
        return np.maximum(_WAITS_NS[tries], 2 * self._usual_ns)


class Gaps:
    """When to ask for each packet that one block misses.

    Packets are named by id: 0 is the leader, `packets` + 1 the trailer.
    """

    __slots__ = (
        "_answers",
        "_asked_ns",
        "_budget",
        "_due_ns",
        "_highest",
        "_rest_until_ns",
        "_tries",
        "_waiting",
        "_waiting_count",
        "hopeless",
        "next_due_ns",
    )

    def __init__(self, packets: int, answers: Answers) -> None:
        self._answers = answers
        self._due_ns = np.zeros(packets + 2, np.int64)
        self._asked_ns = np.zeros(packets + 2, np.int64)
        self._tries = np.zeros(packets + 2, np.uint8)
        self._waiting = np.zeros(packets + 2, np.bool_)
        self._waiting_count = 0
        self._budget = _BUDGET_FACTOR * (packets + 2)
        self._rest_until_ns = 0
        self._highest = -1
        self.next_due_ns = 0
        """When to call `due` again, if nothing arrives meanwhile."""
        self.hopeless = False
        """True when nothing that is missing will be asked for again, or the leader will not."""

    def due(self, missing: PacketIds, arrived: npt.NDArray[np.bool_], now_ns: int) -> list[tuple[int, int]]:
        """Give what to ask for now: first and last id of ranges.

        `missing` are ids, ascending, at least one; `arrived` says by id what has come, from the leader on.
        """
        self._hear(arrived, now_ns)
        new = int(missing[-1]) > self._highest
        if now_ns < self._rest_until_ns or (now_ns < self.next_due_ns and not new):
            self.next_due_ns = self._rest_until_ns if new else max(self.next_due_ns, self._rest_until_ns)
            return []
        self._rest_until_ns = now_ns + _REST_NS
        self._highest = int(missing[-1])
        due_ns = self._due_ns[missing]
        # A packet seen missing for the first time may only be late.
        due_ns[due_ns == 0] = now_ns + _REORDERING_NS
        ready = due_ns <= now_ns
        due_ns[ready & ((self._tries[missing] >= _TRIES) | (self._budget <= 0))] = NEVER_NS
        self._due_ns[missing] = due_ns
        self._waiting[missing[ready]] = False
        self._count_waiting()
        ranges = self._ask(missing[due_ns <= now_ns], now_ns)
        self._count_waiting()
        due_ns = self._due_ns[missing]
        self.hopeless = bool(due_ns.min() == NEVER_NS or (missing[0] == 0 and due_ns[0] == NEVER_NS))
        self.next_due_ns = max(int(due_ns.min()), self._rest_until_ns)
        return ranges

    def close(self) -> None:
        """Wait for nothing more."""
        if self._waiting_count:
            self._waiting[:] = False
            self._count_waiting()

    def _hear(self, arrived: npt.NDArray[np.bool_], now_ns: int) -> None:
        """Learn from what has arrived how promptly the camera answers."""
        answered = np.flatnonzero(self._waiting[: len(arrived)] & arrived)
        if len(answered):
            self._waiting[answered] = False
            self._answers.note(now_ns - int(self._asked_ns[answered].mean()))

    def _ask(self, ids: PacketIds, now_ns: int) -> list[tuple[int, int]]:
        ranges = _ranges(ids)[: self._answers.room]
        if ranges:
            asked = ids[ids <= ranges[-1][1]]
            self._asked_ns[asked[self._tries[asked] == 0]] = now_ns
            self._tries[asked] += 1
            self._due_ns[asked] = now_ns + self._answers.waits_ns(self._tries[asked])
            self._waiting[asked] = True
            self._budget -= len(asked)
        return ranges

    def _count_waiting(self) -> None:
        """Count the runs of packets that wait, which were asked for together."""
        edges = int(np.count_nonzero(self._waiting[1:] & ~self._waiting[:-1])) + bool(self._waiting[0])
        self._answers.waiting += edges - self._waiting_count
        self._waiting_count = edges

    def refuse(self, packet_id: int, status: int, now_ns: int) -> None:
        """Take note that a packet, and those asked for with it, do not come: `status` of the answer says why."""
        later = self._due_ns[packet_id:]
        if status == Status.PACKET_NOT_YET_AVAILABLE:
            np.maximum(later, now_ns + _LATER_NS, out=later)
            return
        # One answer may stand for a whole request, whose packets are due again at the same time.
        with_it = np.flatnonzero(later != later[0])
        later[: with_it[0] if len(with_it) else None] = NEVER_NS
        if status == Status.PACKET_AND_PREVIOUS_REMOVED:
            self._due_ns[:packet_id] = NEVER_NS
        self._waiting[self._due_ns == NEVER_NS] = False
        self.next_due_ns = now_ns

    def came_again(self, arrived: npt.NDArray[np.bool_]) -> int:
        """Count the packets that arrived (by id, from 0) after they were asked for."""
        return int(np.count_nonzero(arrived & (self._tries[: len(arrived)] > 0)))


REFUSALS = frozenset(
    (
        Status.PACKET_UNAVAILABLE,
        Status.PACKET_NOT_YET_AVAILABLE,
        Status.PACKET_AND_PREVIOUS_REMOVED,
        Status.PACKET_REMOVED,
    )
)
"""Statuses of stream packets that answer a request and carry no data."""


def _ranges(ids: PacketIds) -> list[tuple[int, int]]:
    """Give first and last of each run of consecutive ids."""
    if not len(ids):
        return []
    edges = np.flatnonzero(np.diff(ids) != 1)
    firsts, lasts = ids[np.r_[0, edges + 1]], ids[np.r_[edges, len(ids) - 1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
