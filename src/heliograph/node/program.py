"""The on-board program: puts the parts of a node together, starts them in order, and ends them in the opposite one."""

from __future__ import annotations

import secrets
import signal
import sys
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

import heliograph
from heliograph.core import OutputError
from heliograph.link.event import Severity
from heliograph.link.keys import PrivateKey
from heliograph.link.roots import Root
from heliograph.link.trust import Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.cameras.bay import Berth, CameraBay
from heliograph.node.cameras.commands import camera_commands
from heliograph.node.commands.builtin import builtin_commands
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers
from heliograph.node.commands.reporter import StageReporter
from heliograph.node.commands.service import CommandService
from heliograph.node.files.service import FileService
from heliograph.node.files.stow import fetch, stow
from heliograph.node.health import Health
from heliograph.node.hello import HelloService
from heliograph.node.hold import held
from heliograph.node.sequences import Sequencer, sequence_commands
from heliograph.node.sequences.sequencer import read_moment
from heliograph.node.settings import NodeSettings, VehicleSettings, address_of
from heliograph.node.telemetry import Telemetry
from heliograph.node.telemetry.clock import clock_synchronised
from heliograph.node.trust import trust_commands
from heliograph.node.vehicles.latch import Latch
from heliograph.node.vehicles.vehicle import Vehicle, vehicle_commands

_COMMANDS_END_S = 5.0
_SEQUENCE_BYTES = 1_000_000
# As in `serve`: the thread that sends frames gives the interpreter away often, and must get it back soon.
_SWITCH_S = 0.0005


class Node:
    """A node as `node.toml` describes it, from entering to leaving.

    >>> with Node(read(Path("node.toml")), Path(), Path("state")) as node:       # doctest: +SKIP
    ...     node.wait()

    `folder` is where node.toml lies, `state` where everything that must outlive the program is kept: one program at a
    time. Entering raises `SettingError`, `OutputError`, `AddressError` or what the key's file and the cameras raise.
    """

    def __init__(self, settings: NodeSettings, folder: Path, state: Path) -> None:
        self._settings = settings
        self._state = state
        self._key = PrivateKey.read(folder / settings.key)
        self._resources = ExitStack()
        self._ended = threading.Event()
        self._again = False

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            self._open(resources)
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def told(self) -> list[str]:
        """Give what a person who starts it wants to know, a line each."""
        listen = ", ".join(self._settings.link.listen) or "nowhere"
        trusted = len(self._trust.pins)
        who = f"node {self._settings.name} ({self._key.public.short})"
        lines = [
            f"{who} listens at {listen}, files at {self._reached}",
            *(f"camera {name} is served at gige://{address}" for name, address in self._bay.served.items()),
        ]
        lines += [f"camera {each.name} is not there yet" for each in self._missing()]
        return [*lines, "ready" if trusted else "ready, but it trusts no key: nobody can command it"]

    def wait(self) -> bool:
        """Wait until SIGINT, SIGTERM or `node.restart`; True when it is to start again."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._ended.set())
        self._ended.wait()
        return self._again

    def _restart(self) -> None:
        self._again = True
        self._ended.set()

    def _missing(self) -> list[Berth]:
        return [each for each in self._berths() if each.name not in self._bay.cameras]

    def _open(self, resources: ExitStack) -> None:
        sys.setswitchinterval(_SWITCH_S)
        settings, node = self._settings, self._key.public
        boot = secrets.token_hex(8)
        resources.enter_context(held(self._state, node))
        trust = self._trust = Trust(settings.pins, self._state / "trust.json")
        bus = open_bus(settings.link)
        resources.callback(bus.close)
        telemetry = Telemetry(
            self._state / "telemetry",
            bus,
            node.short,
            boot,
            trust,
            max_bytes=settings.telemetry.max_bytes,
            events_kept=settings.telemetry.events_kept,
        )
        resources.callback(telemetry.close)
        root = self._root()

        self._files = resources.enter_context(
            FileService(
                self._state / "transfers",
                root,
                key=node,
                emit=telemetry.emit,
                archive=lambda: trust.archive_key,
                listen=address_of(settings.files.listen),
                rate_bps=settings.files.rate_bps,
            )
        )
        self._reached = settings.files.address or self._files.address
        self._bay = resources.enter_context(
            CameraBay(
                self._berths(), heliograph.open, self._state / "cameras", emit=telemetry.emit, allow=settings.allow
            )
        )
        vehicles = {each.name: self._vehicle(each, telemetry) for each in settings.vehicle}
        for vehicle in vehicles.values():
            resources.callback(vehicle.close)
            vehicle.start()
        if settings.telemetry.health_interval_s > 0:
            interval_s = settings.telemetry.health_interval_s
            resources.enter_context(Health(telemetry.declare, telemetry.emit, self._state, interval_s=interval_s))

        # After what they work with, so that commands end before it does.
        journal = CommandJournal(
            self._state / "journal.db", report=partial(telemetry.emit, Severity.ALARM, "journal.damaged")
        )
        resources.callback(journal.close)
        offers = Offers()
        reporter = StageReporter(bus, node, trust, telemetry.emit)
        resources.callback(reporter.close)
        executor = Executor(journal, offers, node=node, boot=boot, report=reporter.report)
        sequencer = Sequencer(
            self._state,
            executor.submit,
            offers.definition_of,
            emit=telemetry.emit,
            now=lambda: read_moment(clock_synchronised),
        )
        resources.callback(sequencer.close)

        offers.add(builtin_commands(executor, restart=self._restart))
        offers.add(trust_commands(trust))
        offers.add(camera_commands([each.name for each in settings.camera], self._bay.cameras, partial(stow, root)))
        offers.add(vehicle_commands(vehicles))
        offers.add(self._files.commands)
        offers.add(sequence_commands(sequencer, lambda path: fetch(root, path, _SEQUENCE_BYTES)))
        # What runs is asked to end while it still has its cameras and vehicles.
        resources.callback(executor.close, _COMMANDS_END_S)
        sequencer.start()
        resources.callback(sequencer.stop)
        service = CommandService(
            bus,
            node=node,
            boot=boot,
            trust=trust,
            journal=journal,
            offers=offers,
            executor=executor,
            streams=telemetry.streams,
            emit=telemetry.emit,
        )
        resources.callback(service.close)
        # Last: who sees the node there finds everything else declared.
        hello = HelloService(
            bus,
            self._key,
            settings.name,
            boot,
            counter_of=lambda key: journal.window_of(key).highest,
            files=self._reached,
            spooled=telemetry.spooled,
            archive=lambda: trust.archive_key,
        )
        resources.callback(hello.close)
        telemetry.emit(
            Severity.ACTIVITY, "node.started", f"{settings.name} has started", boot=boot, version=heliograph.__version__
        )
        resources.callback(telemetry.emit, Severity.ACTIVITY, "node.ending", f"{settings.name} is ending")

    def _root(self) -> Root:
        given = self._settings.files.root
        folder = Path(given) if given else self._state / "files"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"files.root {folder} cannot be used ({error.strerror}): choose another") from error
        return Root(folder)

    def _berths(self) -> list[Berth]:
        return [Berth(each.name, each.url, each.address, each.serve, each.features) for each in self._settings.camera]

    def _vehicle(self, settings: VehicleSettings, telemetry: Telemetry) -> Vehicle:
        name, declare, emit = settings.name, telemetry.declare, telemetry.emit
        if settings.kind == "latch":
            return Latch(name, self._state / "vehicles" / f"{name}.json", declare, emit)
        # Only who has such a vehicle loads what it takes.
        if settings.kind == "mavlink":
            from heliograph.node.vehicles.mavlink import MavlinkVehicle

            return MavlinkVehicle(name, settings.connection, declare, emit)
        from heliograph.node.vehicles.simulated import SimulatedVehicle
        from heliograph.sim.flight import Circuit

        return SimulatedVehicle(name, declare, emit, circuit=Circuit())
