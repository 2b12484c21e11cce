"""A board with files and nothing else: in the test's own process, or in one that can be killed."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from heliograph.link.bus import Bus
from heliograph.link.dictionary import Role
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.roots import Root
from heliograph.link.settings import LinkSettings
from heliograph.link.trust import Pin, Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.commands.executor import Executor
from heliograph.node.commands.journal import CommandJournal
from heliograph.node.commands.offers import Offers
from heliograph.node.commands.reporter import StageReporter
from heliograph.node.commands.service import CommandService
from heliograph.node.files import FileService
from heliograph.node.hello import HelloService
from heliograph.testing.outlet import Heard


@dataclass(frozen=True, slots=True)
class FileBoard:
    """A board that is up."""

    files: FileService
    heard: Heard


@contextmanager
def file_board(
    bus: Bus,
    folder: Path,
    key: PrivateKey,
    trusted: Sequence[PublicKey],
    *,
    listen: tuple[str, int] = ("127.0.0.1", 0),
    rate_bps: float | None = None,
) -> Iterator[FileBoard]:
    """Serve `folder/files` to the keys that are trusted, the first of which is the archive; state lies in `folder`.

    >>> with connected_buses(2) as (ground, board), file_board(board, tmp_path, key, [own.public]):  # doctest: +SKIP
    ...     find_node(ground, "board")
    """
    (folder / "files").mkdir(parents=True, exist_ok=True)
    boot = secrets.token_hex(8)
    pins = [Pin(each, Role.OPERATOR, archive=index == 0) for index, each in enumerate(trusted)]
    trust = Trust(pins, None)
    heard = Heard()
    with ExitStack() as stack:
        files = stack.enter_context(
            FileService(
                folder / "transfers",
                Root(folder / "files"),
                key=key.public,
                emit=heard.emit,
                archive=lambda: trust.archive.key if trust.archive else None,
                listen=listen,
                rate_bps=rate_bps,
            )
        )
        journal = CommandJournal(folder / "commands.db")
        stack.callback(journal.close)
        offers = Offers()
        offers.add(files.commands)
        reporter = StageReporter(bus, key.public, trust, heard.emit)
        stack.callback(reporter.close)
        executor = Executor(journal, offers, node=key.public, boot=boot, report=reporter.report)
        stack.callback(executor.close, 1.0)
        commands = CommandService(
            bus,
            node=key.public,
            boot=boot,
            trust=trust,
            journal=journal,
            offers=offers,
            executor=executor,
            streams=lambda: (),
            emit=heard.emit,
        )
        stack.callback(commands.close)
        hello = HelloService(
            bus,
            key,
            "board",
            boot,
            counter_of=lambda each: journal.window_of(each).highest,
            files=files.address,
            spooled=lambda: 0,
        )
        stack.callback(hello.close)
        yield FileBoard(files, heard)


@contextmanager
def board_process(
    folder: Path, key_file: Path, trusted: PublicKey, endpoint: str, port: int, rate_bps: float | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run such a board as a program that listens at `endpoint`, and takes datagrams at `port` of 127.0.0.1."""
    words = json.dumps([str(folder), str(key_file), trusted.hex, endpoint, port, rate_bps])
    with subprocess.Popen([sys.executable, "-m", __name__, words], stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != "up":
                raise RuntimeError("the board did not come up: see what it wrote")
            yield process
        finally:
            process.kill()


def main(words: str) -> None:
    """Be a board until SIGTERM."""
    folder, key_file, trusted, endpoint, port, rate_bps = json.loads(words)
    bus = open_bus(LinkSettings(mode="router", listen=(endpoint,)))
    try:
        with file_board(
            bus,
            Path(folder),
            PrivateKey.read(Path(key_file)),
            [PublicKey.parse(trusted)],
            listen=("127.0.0.1", port),
            rate_bps=rate_bps,
        ):
            sys.stdout.write("up\n")
            sys.stdout.flush()
            signal.sigwait([signal.SIGTERM])
    finally:
        bus.close()


if __name__ == "__main__":
    main(sys.argv[1])
