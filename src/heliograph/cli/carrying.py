"""What moving a file takes on the ground: the link, a place to remember it, and a bar that shows how far it is."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from heliograph.cli.exit_code import ExitCode
from heliograph.cli.terminal import shown
from heliograph.core import OutputError, TransferError
from heliograph.core.state import state_folder

if TYPE_CHECKING:
    from heliograph.cli.place import Place
    from heliograph.link.carrier import Carrier, OnProgress
    from heliograph.link.cfdp.transaction import TransferStatus
    from heliograph.link.commander import Commander
    from heliograph.link.discovery import Node
    from heliograph.link.keys import PublicKey

Priority = Annotated[
    int, typer.Option("--priority", min=-9, max=9, help="The higher goes first where the node has several to move.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Take the place of a file that is there.")]


class Porter:
    """Moves files one after the other; what one of them was doing goes on when it is moved again."""

    def __init__(
        self,
        commander: Commander,
        node: Node,
        key: PublicKey,
        stop: threading.Event,
        rate_mbit_per_s: float | None = None,
    ) -> None:
        self._commander, self._node, self._key, self._stop = commander, node, key, stop
        self._rate_bps = None if rate_mbit_per_s is None else rate_mbit_per_s * 1e6

    def up(self, file: Path, target: Place, priority: int, replace: bool) -> None:
        """Send a file, and print what was done; ends the program where a signal asked for that."""
        # A link that the user names is the file that it leads to.
        local = file.resolve()

        def send(carrier: Carrier, show: OnProgress) -> TransferStatus:
            return carrier.uplink(local.name, target.path, show, priority=priority, replace=replace)

        status, took_s = self._move(local, "up", target.path, send)
        typer.echo(told(str(file), str(target), status, took_s))

    def down(self, source: Place, file: Path, priority: int, replace: bool) -> None:
        """Fetch a file, and print what was done; ends the program where a signal asked for that."""
        local = file.parent.resolve() / file.name

        def fetch(carrier: Carrier, show: OnProgress) -> TransferStatus:
            return carrier.downlink(source.path, local.name, show, priority=priority, replace=replace)

        status, took_s = self._move(local, "down", source.path, fetch)
        typer.echo(told(str(source), str(file), status, took_s))

    def _move(
        self, local: Path, direction: str, remote: str, move: Callable[[Carrier, OnProgress], TransferStatus]
    ) -> tuple[TransferStatus, float]:
        from heliograph.link.cfdp.transaction import State

        status = None
        since_s = time.monotonic()
        try:
            if not self._stop.is_set():
                with self._carrier(local, direction, remote) as carrier, transfer_bar(local.name) as show:
                    status = move(carrier, show)
        except TransferError:
            if not self._stop.is_set():
                raise
        if status is None or status.state is not State.COMPLETED:
            typer.echo("heliograph: suspended; the same command goes on from here", err=True)
            raise typer.Exit(ExitCode.INTERRUPTED)
        return status, time.monotonic() - since_s

    @contextmanager
    def _carrier(self, local: Path, direction: str, remote: str) -> Iterator[Carrier]:
        """Give what moves one file; raises `TransferError` while another program moves the same."""
        from heliograph.link.carrier import Carrier
        from heliograph.link.cfdp.transfers import Transfers
        from heliograph.link.entity import entity_of
        from heliograph.link.filestore import RootedSource, RootedTarget
        from heliograph.link.roots import Root
        from heliograph.link.route import datagram_address, own_address

        root = Root(local.parent)
        # What it is that is moved: the same words find the same folder, and with it what was done before.
        words = json.dumps([self._node.id, direction, str(local), remote])
        name = hashlib.sha256(words.encode()).hexdigest()[:16]
        # Two programs of one key are two entities: the node must know them apart.
        entity = entity_of(self._key, words)
        with ExitStack() as resources:
            state = resources.enter_context(_locked(state_folder() / "files" / name))
            transfers = Transfers(
                state,
                entity=entity,
                listen=(own_address(datagram_address(self._node)), 0),
                rate_bps=self._rate_bps,
                sources=partial(RootedSource.named, root),
                targets=partial(RootedTarget.named, root),
            )
            # The last that is done: nothing is kept of what is over at both ends.
            over: list[bool] = []
            resources.callback(lambda: shutil.rmtree(state, ignore_errors=True) if all(over) else None)
            resources.enter_context(transfers)
            resources.callback(lambda: over.extend(each.closed for each in transfers.statuses()))
            user = getpass.getuser()
            yield Carrier(self._commander, self._node, transfers, root, entity=entity, user=user, stop=self._stop)


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("wb")
    except OSError as error:
        raise OutputError(f"the state folder {folder} cannot be written ({error.strerror})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TransferError("another heliograph is moving this file: wait for it, or end it") from error
        yield folder


@contextmanager
def transfer_bar(name: str) -> Iterator[Callable[[TransferStatus], None]]:
    """Show on stderr what the receiver of a file has verified, how fast that grows, and what it waits for."""
    columns = (
        TextColumn("{task.fields[name]}", markup=False),
        BarColumn(),
        DownloadColumn(),
        _SpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task("", total=None, name=shown(name))

    def show(status: TransferStatus) -> None:
        # Not before there is something to tell: what the node refuses is one line and no bar.
        bar.start()
        total = status.size_bytes if status.size_bytes >= 0 else None
        bar.update(task, completed=status.verified_bytes, total=total, description=shown(_note(status)))

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


class _SpeedColumn(TransferSpeedColumn):
    """Leaves out what is not known, as of a file that came at once."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.finished_speed or task.speed else Text()


def _note(status: TransferStatus) -> str:
    from heliograph.link.cfdp.transaction import State

    notes = {
        State.WAITING: "waiting for the other end",
        State.LINK_DOWN: "link down, waiting",
        State.SUSPENDED: f"suspended {status.reason}".strip(),
    }
    return notes.get(status.state, "")


def told(source: str, target: str, status: TransferStatus, took_s: float) -> str:
    """Give the line about a file that was moved, or that needed not to be."""
    rate = status.size_bytes / took_s / 1e6
    done = status.reason or (f"{rate:.1f} MB/s" if rate >= 0.1 else f"{took_s:.1f} s")
    return shown(f"{source} -> {target}: {status.size_bytes} bytes, {done}")
