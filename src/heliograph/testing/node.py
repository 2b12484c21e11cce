"""A node as a process of its own, and the command line of a ground that it trusts."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from heliograph.link.keys import PrivateKey
from heliograph.testing.addresses import loopback_address

_PROGRAM = str(Path(sysconfig.get_path("scripts")) / "heliograph")
_READY_S = 30.0


class NodeProcess:
    """`heliograph node` at a loopback address of its own; it can be killed and started again with its state.

    `tables` are what else node.toml has. The ground's key is its admin and its archive.
    """

    def __init__(self, folder: Path, address: str, tables: str = "", *, files_address: str = "") -> None:
        self.folder = folder
        self.address = address
        self.connect = f"tcp/{address}:7447"
        self.key_file = folder / "ground.key"
        self.state = folder / "state"
        self._log = folder / "node.log"
        self._process: subprocess.Popen[str] | None = None
        self.before: list[str] = []
        """Words that run the program in another way, such as in a namespace."""
        self.preload: dict[str, str] = {}
        """What its environment has beside ours."""
        self.told: list[str] = []
        """The lines it printed when it was ready."""
        key = PrivateKey.generate()
        key.write(self.key_file)
        PrivateKey.generate().write(folder / "node.key")
        (folder / "node.toml").write_text(
            f'name = "board"\n'
            f'[link]\nlisten = ["{self.connect}"]\n'
            f'[files]\nlisten = "{address}:7448"\naddress = "{files_address}"\n'
            f'[[trust]]\nkey = "{key.public.text()}"\nrole = "admin"\narchive = true\nlabel = "ground"\n' + tables
        )

    @property
    def pid(self) -> int:
        """Its process id. Raises `RuntimeError` when it does not run."""
        if self._process is None:
            raise RuntimeError("the node does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it is ready. Raises `RuntimeError` when it ends instead."""
        environment = os.environ | {"HELIOGRAPH_INTERFACES": "127.0.0.1"} | self.preload
        words = [
            *self.before,
            _PROGRAM,
            "node",
            "--config",
            str(self.folder / "node.toml"),
            "--state-dir",
            str(self.state),
        ]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        self.told = []
        stream = self._process.stdout
        while stream is not None and (line := stream.readline()):
            self.told.append(line.rstrip())
            if line.startswith("ready"):
                return
        raise RuntimeError(f"the node ended: {self.log()[-2000:]}")

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def end(self) -> int:
        """End it as systemd does; give its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=_READY_S)
        finally:
            self._process.kill()
        status, self._process = self._process.returncode, None
        return status

    def log(self) -> str:
        """Give what it wrote to stderr so far."""
        return self._log.read_text()

    def ground(self, *words: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command of the ground's command line, with its key, connected to the node."""
        return subprocess.run(
            [_PROGRAM, *words], capture_output=True, text=True, timeout=timeout_s, check=False, env=self.environment()
        )

    def environment(self) -> dict[str, str]:
        """Give the environment in which the ground's command line finds the node, and keeps its state apart."""
        return os.environ | {
            "HELIOGRAPH_CONNECT": self.connect,
            "HELIOGRAPH_KEY": str(self.key_file),
            "HELIOGRAPH_INTERFACES": "127.0.0.1",
            "XDG_STATE_HOME": str(self.folder / "ground"),
        }


@contextmanager
def running_node(folder: Path, tables: str = "") -> Iterator[NodeProcess]:
    """Run a node in a folder of its own until the end of the block; `tables` are what else node.toml has.

    >>> with running_node(folder) as node:                                      # doctest: +SKIP
    ...     node.ground("send", "board", "node.ping")
    """
    with ExitStack() as resources:
        node = NodeProcess(folder, resources.enter_context(loopback_address()), tables)
        resources.callback(node.kill)
        node.start()
        yield node
