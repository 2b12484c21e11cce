"""A camera's control without sockets, and a client that talks to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from heliograph.gige import gvcp
from heliograph.gige.bootstrap import Register
from heliograph.gige.device.actions import Actions
from heliograph.gige.device.control import DeviceControl, Job
from heliograph.gige.device.identity import DeviceIdentity
from heliograph.gige.device.memory import CameraMemory
from heliograph.gige.device.space import camera_space
from heliograph.gige.device.state import Address, DeviceState
from heliograph.gige.device.transport import TransportFeatures
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket, Flag
from heliograph.testing.camera import PatternCamera

IDENTITY = DeviceIdentity(
    vendor="Heliograph",
    model="pattern",
    version="1.2",
    manufacturer_info="for tests",
    serial="SN42",
    mac=0x02AA_BBCC_DDEE,
    address="127.1.2.3",
    subnet_mask="255.0.0.0",
)
PRESETS = {"Half size": {"Width": 320, "Height": 240}, "2x2": {"Width": 160}}


@dataclass
class RecordedStream:
    """Stands in for the acquisition: remembers what it was told."""

    calls: list[object] = field(default_factory=list)
    running: bool = False
    takes_triggers: bool = True

    def configure(self, *configuration: object) -> None:
        self.calls.append(configuration)

    def start(self) -> None:
        self.calls.append("start")
        self.running = True

    def stop(self, *, abort: bool = False) -> None:
        self.calls.append("abort" if abort else "stop")
        self.running = False

    def trigger(self, source: str, time_ns: int) -> bool:
        self.calls.append((source, time_ns))
        return self.takes_triggers


class Bench:
    """A camera's control, its parts, and the time."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000_000
        self.camera = PatternCamera()
        self.state = DeviceState(user_name="cam-1")
        self.stream = RecordedStream()
        self.transport = TransportFeatures(self.camera.features, self.state, self.stream)
        self.compose()
        self.request_id = 0

    def compose(self) -> None:
        """Put the parts together."""
        self.memory = CameraMemory(None, IDENTITY.serial)
        space = camera_space(self.camera.features, self.transport, IDENTITY, self.state, self.memory, PRESETS)
        self.features, self.user_sets, self.registers = space.features, space.user_sets, space.registers
        self.user_sets.power_up()
        self.actions = Actions(self.state.actions, self.stream.trigger)
        self.control = DeviceControl(self.state, self.registers, self.actions)

    def send(self, command: CommandPacket, client: Address) -> list[AckPacket]:
        """Give a command to the control and the acknowledges that come at once."""
        self.control.receive_datagram(command.pack(), client, self.now_ns)
        return self.acks(client)

    def acks(self, client: Address) -> list[AckPacket]:
        """Give the acknowledges that wait; all must be for this client."""
        datagrams = self.control.datagrams_to_send()
        assert {to for _, to in datagrams} <= {client}
        return [AckPacket.unpack(data) for data, _ in datagrams]

    def run_jobs(self) -> list[Job]:
        """Do what the server's worker does."""
        jobs = []
        while (job := self.control.next_job()) is not None:
            self.control.finish(job, self.control.execute(job.command, job.client, self.now_ns), self.now_ns)
            jobs.append(job)
        return jobs

    def ask(self, code: int, payload: bytes = b"", client: Address = ("10.0.0.1", 50_000)) -> AckPacket:
        """Send a command, let the camera work, and give the one acknowledge."""
        self.request_id = self.request_id % 0xFFFF + 1
        acks = self.send(CommandPacket(code, self.request_id, payload), client)
        if self.run_jobs():
            acks = self.acks(client)
        (ack,) = acks
        assert ack.request_id == self.request_id
        assert ack.command == code + 1
        return ack

    def read(self, address: int, client: Address = ("10.0.0.1", 50_000)) -> int:
        """Read one register."""
        ack = self.ask(Command.READREG, gvcp.pack_addresses([address]), client)
        assert ack.status == 0
        return gvcp.unpack_addresses(ack.payload)[0]

    def write(self, address: int, value: int, client: Address = ("10.0.0.1", 50_000)) -> int:
        """Write one register and give the status."""
        return self.ask(Command.WRITEREG, gvcp.pack_writes([(address, value)]), client).status

    def take_control(self, client: Address = ("10.0.0.1", 50_000)) -> None:
        """Have a client take control."""
        assert self.write(Register.CONTROL_CHANNEL_PRIVILEGE, 2, client) == 0

    def without_ack(self, code: int, payload: bytes, client: Address = ("10.0.0.1", 50_000)) -> list[AckPacket]:
        """Send a command that wants no answer."""
        return self.send(CommandPacket(code, 77, payload, Flag.NONE), client)


@pytest.fixture(scope="session")
def make_bench() -> type[Bench]:
    """Give what makes a camera's control, for tests that need many."""
    return Bench


@pytest.fixture
def bench() -> Bench:
    """Give a camera's control, fresh."""
    return Bench()
