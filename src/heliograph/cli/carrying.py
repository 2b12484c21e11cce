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
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from heliograph.cli.exit_code import ExitCode
from heliograph.cli.terminal import shown
from heliograph.core import OutputError, TransferError
from heliograph.core.state import state_folder

if TYPE_CHECKING:
    from heliograph.link.carrier import Carrier
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

    @contextmanager
    def carrier(self, folder: Path, direction: str, local: str, remote: str) -> Iterator[Carrier]:
        """Give what moves one file between a folder here and the node.

        Raises `TransferError` while another program moves the same file.
        """
        from heliograph.link.carrier import Carrier, datagram_address, own_address
        from heliograph.link.cfdp.transfers import Transfers
        from heliograph.link.entity import entity_of
        from heliograph.link.filestore import RootedSource, RootedTarget
        from heliograph.link.roots import Root

        root = Root(folder)
        # What it is that is moved: the same words find the same folder, and with it what was done before.
        words = json.dumps([self._node.id, direction, str(folder / local), remote])
        name = hashlib.sha256(words.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        # Two programs of one key are two entities: the node must know them apart.
        entity = entity_of(self._key, words)
        with _locked(state_folder() / "files" / name) as state:
            transfers = Transfers(
                state,
                entity=entity,
                listen=(own_address(datagram_address(self._node)), 0),
                rate_bps=self._rate_bps,
                sources=partial(RootedSource.named, root),
                targets=partial(RootedTarget.named, root),
            )
            over = False
            try:
                with transfers:
                    try:
                        yield Carrier(
                            self._commander,
                            self._node,
                            transfers,
                            root,
                            entity=entity,
                            user=getpass.getuser(),
                            stop=self._stop,
                        )
                    finally:
                        over = all(status.state.final for status in transfers.statuses())
            finally:
                if over:
                    shutil.rmtree(state, ignore_errors=True)

    def end_if_stopped(self) -> None:
        """End the program where a signal asked for that."""
        if self._stop.is_set():
            typer.echo("heliograph: suspended; the same command goes on from here", err=True)
            raise typer.Exit(ExitCode.INTERRUPTED)


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
        TransferSpeedColumn(),
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


def _note(status: TransferStatus) -> str:
    from heliograph.link.cfdp.transaction import State

    notes = {
        State.WAITING: "waiting for the other end",
        State.LINK_DOWN: "link down, waiting",
        State.SUSPENDED: f"suspended {status.reason}".strip(),
    }
    return notes.get(status.state, "")


def told(source: str, target: str, size_bytes: int, since_s: float) -> str:
    """Give the line about a file that was moved; `since_s` is when that began, on the monotonic clock."""
    duration_s = max(time.monotonic() - since_s, 1e-9)
    return shown(f"{source} -> {target}: {size_bytes} bytes, {size_bytes / duration_s / 1e6:.1f} MB/s")
