"""The camera's side of GVCP: commands in, acknowledges out; who has control; the heartbeat. No sockets."""

from __future__ import annotations

import ipaddress
import logging
from collections import deque
from dataclasses import dataclass

from heliograph.core import RemoteProtocolError, RemoteStatusError
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import DISCOVERY_BYTES, ControlPrivilege, Register
from heliograph.gige.device.actions import Actions
from heliograph.gige.device.answered import AnsweredCommands
from heliograph.gige.device.bootstrap import PENDING_TIMEOUT_MS
from heliograph.gige.device.layout import FEATURES_ADDRESS, XML_ADDRESS
from heliograph.gige.device.registers import REGISTER_BYTES, RegisterMap, status_of
from heliograph.gige.device.state import (
    ActionLate,
    Address,
    AddressRefused,
    ControlLost,
    ControlReleased,
    DeviceEvent,
    DeviceState,
    ResendRequested,
)
from heliograph.gige.gvcp import AckPacket, ActionCommand, Command, CommandPacket, Flag, ForceIp, Status

_log = logging.getLogger(__name__)

_WRITES = (Command.WRITEREG, Command.WRITEMEM)
_MOST_JOBS = 64
# However many others ask, the client that has control is served.
_JOBS_OF_CONTROLLER = 16


@dataclass(frozen=True, slots=True)
class Job:
    """A command that asks the camera itself and may take its time."""

    client: Address
    command: CommandPacket


class DeviceControl:
    """Answers the commands of any number of clients, one of which may have control.

    Commands that reach the camera's features come out of `next_job`, to be run by `execute` wherever waiting does no
    harm and reported by `finish`; everything else is answered at once, so a slow feature delays no heartbeat.
    Whatever arrives, nothing is raised: datagrams that are no GVCP are counted in `rejected_datagrams`.
    """

    def __init__(self, state: DeviceState, registers: RegisterMap, actions: Actions) -> None:
        self.rejected_datagrams = 0
        self._state = state
        self._registers = registers
        self._actions = actions
        self._outbox: list[tuple[bytes, Address]] = []
        self._jobs: deque[Job] = deque()
        self._unfinished: list[Job] = []
        self._answered = AnsweredCommands()
        self._heard_ns = 0

    def receive_datagram(self, data: bytes, client: Address, now_ns: int, *, broadcast: bool = False) -> None:
        """Take a command; one that was broadcast may only ask who is there, or fire an action."""
        try:
            command = self._accepted(data, client)
        except RemoteProtocolError:
            self.rejected_datagrams += 1
            return
        if client == self._state.controller:
            self._heard_ns = now_ns
        if broadcast and not self._is_for_all(command):
            return
        if command.command == Command.FORCEIP and not self._is_mine(command, now_ns):
            return
        if command.command == Command.PACKETRESEND:
            self._take_resend(command, client)
        elif not self._repeated(command, client, now_ns):
            self._dispatch(command, client, now_ns)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Give the acknowledges that wait to be sent, and to whom."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def next_job(self) -> Job | None:
        """Give the next command for the camera itself; the commands are to be run in this order."""
        return self._jobs.popleft() if self._jobs else None

    def finish(self, job: Job, ack: AckPacket, now_ns: int) -> None:
        """Take the answer to a job."""
        self._unfinished.remove(job)
        if job.client == self._state.controller:
            self._heard_ns = now_ns
        self._answer(job.command, job.client, ack, now_ns)

    def next_deadline(self) -> int | None:
        """Time at which `handle_timer` has something to do, in ns; None while there is nothing to wait for."""
        deadlines_ns = (self._heartbeat_deadline(), self._actions.next_deadline())
        return min((each for each in deadlines_ns if each is not None), default=None)

    def _heartbeat_deadline(self) -> int | None:
        state = self._state
        if state.controller is None:
            return None
        # Who was told to wait is silent meanwhile, and one telling may be lost. A client that was killed is silent too.
        at_work = any(job.client == state.controller for job in self._unfinished)
        patience_ms = state.heartbeat_timeout_ms + (2 * PENDING_TIMEOUT_MS if at_work else 0)
        return self._heard_ns + patience_ms * 1_000_000

    def handle_timer(self, now_ns: int) -> None:
        """Fire the actions that are due, and take control from a client that fell silent."""
        for action in self._actions.handle_timer(now_ns):
            _log.warning("%s was not done at its time: triggers come faster than frames", action)
            self._state.events.append(ActionLate(now_ns))
        deadline_ns = self._heartbeat_deadline()
        client = self._state.controller
        if client is not None and deadline_ns is not None and now_ns >= deadline_ns:
            self._release(ControlLost(client))

    def events(self) -> list[DeviceEvent]:
        """Give what happened since the last call."""
        events = self._state.events
        # Only as many as there are now: the other thread may add without end.
        return [events.popleft() for _ in range(len(events))]

    def execute(self, command: CommandPacket, client: Address, now_ns: int) -> AckPacket:
        """Run a command on the registers and give its acknowledge; never raises."""
        written: list[int] = []
        try:
            payload = self._run(command, client, now_ns, written)
        except Exception as error:  # whatever a driver raises is this command's failure, not the camera's end
            status = status_of(error)
            _report_refusal(command, client, status, error)
            return _refusal(command, status, len(written))
        return _ack(command, Status.SUCCESS, payload)

    def _dispatch(self, command: CommandPacket, client: Address, now_ns: int) -> None:
        if not _asks_camera(command):
            self._answer(command, client, self.execute(command, client, now_ns), now_ns)
        elif len(self._unfinished) < _MOST_JOBS - (0 if client == self._state.controller else _JOBS_OF_CONTROLLER):
            job = Job(client, command)
            self._unfinished.append(job)
            self._jobs.append(job)
        else:
            self._send(command, client, _refusal(command, Status.BUSY).pack())

    def _take_resend(self, command: CommandPacket, client: Address) -> None:
        """Pass the wish for packets on; its answer are the packets, never an acknowledge."""
        try:
            wish = gvcp.unpack_resend(command.payload, extended=Flag.EXTENDED in command.flags)
        except RemoteProtocolError:
            self.rejected_datagrams += 1
            return
        if self._state.may_ask_again(client):
            self._state.events.append(ResendRequested(client, *wish))

    def _repeated(self, command: CommandPacket, client: Address, now_ns: int) -> bool:
        """Answer a command that came before and is at work, or whose effect must not happen twice."""
        if Job(client, command) in self._unfinished:
            wait = gvcp.pack_write_done(PENDING_TIMEOUT_MS)
            self._send(command, client, AckPacket(0, gvcp.PENDING_ACK, command.request_id, wait).pack())
            return True
        ack = self._answered.answer_to(command, client, now_ns)
        if ack is not None:
            self._send(command, client, ack)
        return ack is not None

    def _answer(self, command: CommandPacket, client: Address, ack: AckPacket, now_ns: int) -> None:
        packed = ack.pack()
        # Reads and refusals may happen again; remembering them would let anybody push out the controller's writes.
        once = command.command == Command.ACTION or (command.command in _WRITES and client == self._state.controller)
        if once and ack.status == Status.SUCCESS:
            self._answered.remember(command, client, packed, now_ns)
        self._send(command, client, packed)

    def _send(self, command: CommandPacket, client: Address, packed: bytes) -> None:
        if command.ack_required:
            self._outbox.append((packed, client))

    def _run(self, command: CommandPacket, client: Address, now_ns: int, written: list[int]) -> bytes:
        match command.command:
            case Command.DISCOVERY:
                return self._registers.read(0, DISCOVERY_BYTES, now_ns)
            case Command.READREG:
                addresses = gvcp.unpack_addresses(command.payload)
                return b"".join(self._registers.read(address, REGISTER_BYTES, now_ns) for address in addresses)
            case Command.READMEM:
                address, count_bytes = gvcp.unpack_memory_read(command.payload)
                if count_bytes > gvcp.MAX_DATA_BYTES:
                    raise RemoteStatusError(f"{count_bytes} bytes are too many to read", Status.INVALID_PARAMETER)
                return gvcp.pack_memory(address, self._registers.read(address, count_bytes, now_ns))
            case Command.WRITEREG:
                writes = gvcp.unpack_writes(command.payload)
                if len(writes) > 1 and Register.CONTROL_CHANNEL_PRIVILEGE in dict(writes):
                    raise RemoteStatusError("the control privilege is written alone", Status.INVALID_PARAMETER)
                for address, value in writes:
                    self._write(address, value.to_bytes(REGISTER_BYTES, "big"), client, now_ns)
                    written.append(address)
                return gvcp.pack_write_done(len(writes))
            case Command.WRITEMEM:
                address, data = gvcp.unpack_memory(command.payload)
                self._write(address, data, client, now_ns)
                return gvcp.pack_write_done(len(data))
            case Command.ACTION:
                return self._act(ActionCommand.unpack(command), now_ns)
            case Command.FORCEIP:
                return self._force_address(ForceIp.unpack(command.payload), client, now_ns)
            case _:
                raise RemoteStatusError("the camera does not know this command", Status.NOT_IMPLEMENTED)

    def _act(self, action: ActionCommand, now_ns: int) -> bytes:
        if not self._may_act():
            raise RemoteStatusError("nobody has control, and actions are not unconditional", Status.ACCESS_DENIED)
        try:
            self._actions.receive(action, now_ns)
        except RemoteStatusError as error:
            if error.status == Status.ACTION_LATE:
                self._state.events.append(ActionLate(now_ns))
            raise
        return b""

    def _force_address(self, wanted: ForceIp, client: Address, now_ns: int) -> bytes:
        present = self._registers.read(Register.CURRENT_IP, REGISTER_BYTES, now_ns)
        if ipaddress.IPv4Address(wanted.address).packed != present:
            self._state.events.append(AddressRefused(client, wanted))
            raise RemoteStatusError("the address is the host's to set", Status.ACCESS_DENIED)
        return b""

    def _write(self, address: int, data: bytes, client: Address, now_ns: int) -> None:
        if address == Register.CONTROL_CHANNEL_PRIVILEGE and len(data) == REGISTER_BYTES:
            self._write_privilege(int.from_bytes(data, "big"), client, now_ns)
        elif client != self._state.controller:
            raise RemoteStatusError("only the client that has control may write", Status.ACCESS_DENIED)
        else:
            self._registers.write(address, data, now_ns)

    def _write_privilege(self, value: int, client: Address, now_ns: int) -> None:
        state = self._state
        if state.controller not in (None, client):
            raise RemoteStatusError("another client has control", Status.ACCESS_DENIED)
        privilege = ControlPrivilege(value & (ControlPrivilege.EXCLUSIVE | ControlPrivilege.CONTROL))
        if privilege:
            self._heard_ns = now_ns
            state.take_control(client, privilege)
        elif state.controller == client:
            self._release(ControlReleased(client))

    def _release(self, event: ControlReleased | ControlLost) -> None:
        self._state.release_control(event)
        self._answered.forget_writes()
        if not self._state.actions.unconditional:
            self._actions.clear()

    def _accepted(self, data: bytes, client: Address) -> CommandPacket:
        if client[0] not in self._state.allowed:
            raise RemoteProtocolError(f"{client[0]} is in no network that this camera serves")
        return CommandPacket.unpack(data)

    def _is_for_all(self, command: CommandPacket) -> bool:
        """Tell whether a command that was broadcast is to be obeyed; other cameras' actions get no answer of ours."""
        if command.command != Command.ACTION:
            return command.command in (Command.DISCOVERY, Command.FORCEIP)
        try:
            return self._may_act() and self._actions.concerns(ActionCommand.unpack(command))
        except RemoteProtocolError:
            return False

    def _may_act(self) -> bool:
        return self._state.controller is not None or self._state.actions.unconditional

    def _is_mine(self, command: CommandPacket, now_ns: int) -> bool:
        """Tell whether a FORCEIP names this camera's MAC, at bytes 2 to 7 of its payload (Wireshark)."""
        return command.payload[2:8] == self._registers.read(Register.MAC_HIGH, 8, now_ns)[2:]


def _ack(command: CommandPacket, status: Status, payload: bytes = b"") -> AckPacket:
    # Command 0xFFFF has no next number; masking keeps the answer to nonsense well formed.
    return AckPacket(status, (command.command + 1) & 0xFFFF, command.request_id, payload)


def _refusal(command: CommandPacket, status: Status, writes_done: int = 0) -> AckPacket:
    # Wireshark reads the index of the write that failed from refusals too.
    return _ack(command, status, gvcp.pack_write_done(writes_done) if command.command in _WRITES else b"")


def _report_refusal(command: CommandPacket, client: Address, status: Status, error: Exception) -> None:
    # A failure that has no status of its own is the driver's, and worth its traceback.
    failed = status is Status.ERROR
    _log.log(
        logging.WARNING if failed else logging.DEBUG,
        "%s:%d: command 0x%04x refused with %s: %s",
        *client,
        command.command,
        status.name,
        error,
        exc_info=error if failed else None,
    )


def _asks_camera(command: CommandPacket) -> bool:
    """Tell whether a command touches the camera's features."""
    try:
        match command.command:
            case Command.READREG:
                addresses = gvcp.unpack_addresses(command.payload)
            case Command.WRITEREG:
                addresses = [address for address, _ in gvcp.unpack_writes(command.payload)]
            case Command.READMEM:
                addresses = [gvcp.unpack_memory_read(command.payload)[0]]
            case Command.WRITEMEM:
                addresses = [gvcp.unpack_memory(command.payload)[0]]
            case _:
                return False
    except RemoteProtocolError:
        return False
    return any(FEATURES_ADDRESS <= address < XML_ADDRESS for address in addresses)
