"""One question to a camera and its answer: sans-IO, with time passed in."""

from __future__ import annotations

from heliograph.core import CameraLostError, RemoteProtocolError, RemoteStatusError
from heliograph.gige import gvcp
from heliograph.gige.gvcp import PENDING_ACK, AckPacket, CommandPacket, Status

# Aravis' figures: a camera may take 500 ms to answer, and is asked five times.
_ANSWER_NS = 500_000_000
_TRIES = 5
# A camera that asks for patience gets it, but not for ever: a driver that hangs must not hang its clients.
_LONGEST_NS = 60_000_000_000
# A camera whose queue is full for a moment is asked again; one that is busy for longer has a reason worth telling.
_BUSY_PAUSE_NS = 50_000_000
_BUSY_NS = 5_000_000_000

_WORDS: dict[int, str] = {
    Status.NOT_IMPLEMENTED: "it does not know this command",
    Status.INVALID_PARAMETER: "it does not take this value",
    Status.INVALID_ADDRESS: "it has no register there",
    Status.WRITE_PROTECT: "the register is read-only now",
    Status.BAD_ALIGNMENT: "the address or length is not a multiple of 4",
    Status.ACCESS_DENIED: "another client controls it, or this one does not",
    Status.BUSY: "it is busy",
}


class Exchange:
    """Sends a command until its acknowledge comes.

    >>> exchange = Exchange(CommandPacket(gvcp.Command.READREG, 1, gvcp.pack_addresses([0])), now_ns=0)
    >>> exchange.receive_datagram(bytes.fromhex("0000008100040001 00000002"), now_ns=5).payload.hex()
    '00000002'

    Send `datagram` at the beginning and whenever `handle_timer` says so.
    """

    def __init__(self, command: CommandPacket, now_ns: int) -> None:
        self._command = command
        self.datagram = command.pack()
        self.deadline_ns = now_ns + _ANSWER_NS
        self._tries_left = _TRIES - 1
        self._end_ns = now_ns + _LONGEST_NS
        self._busy_end_ns = now_ns + _BUSY_NS

    def handle_timer(self, now_ns: int) -> bool:
        """Tell whether to send the datagram again.

        Raises `CameraLostError` when it has been sent often enough, `RemoteStatusError` when the camera has been at
        work for a minute.
        """
        if now_ns < self.deadline_ns:
            return False
        if now_ns >= self._end_ns:
            raise RemoteStatusError(
                f"the camera is still at work after {_LONGEST_NS // 1_000_000_000} s: try again later", Status.BUSY
            )
        if not self._tries_left:
            raise CameraLostError("the camera does not answer any more: check its power and cable, then open it again")
        self._tries_left -= 1
        self.deadline_ns = now_ns + _ANSWER_NS
        return True

    def receive_datagram(self, data: bytes, now_ns: int) -> AckPacket | None:
        """Give the acknowledge when this is it, None when it is something else.

        Raises `RemoteStatusError` when the camera refuses. Late answers to other commands and garbage are something
        else; a pending acknowledge makes us wait as long as it asks, a busy camera is asked again for 5 s.
        """
        try:
            ack = AckPacket.unpack(data)
            if ack.request_id != self._command.request_id:
                return None
            if ack.command == PENDING_ACK:
                self._be_patient(gvcp.unpack_pending(ack.payload), now_ns)
                return None
        except RemoteProtocolError:
            return None
        if ack.command != self._command.command + 1:
            return None
        if ack.status == Status.BUSY and now_ns < self._busy_end_ns:
            self._tries_left = _TRIES
            self.deadline_ns = now_ns + _BUSY_PAUSE_NS
            return None
        if ack.status not in (Status.SUCCESS, Status.PACKET_RESEND):
            words = _WORDS.get(ack.status, f"status 0x{ack.status:04x}")
            raise RemoteStatusError(f"the camera refused: {words}", ack.status)
        return ack

    def _be_patient(self, time_ms: int, now_ns: int) -> None:
        self._tries_left = _TRIES - 1
        self.deadline_ns = min(now_ns + time_ms * 1_000_000 + _ANSWER_NS, self._end_ns)
