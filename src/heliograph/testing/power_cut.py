"""What would be left of a program's files, had the power been cut as it said something: `strace` watches it.

A kill proves nothing about durability, as the kernel still has what was written. Here a file has what it had at its
last fsync or fdatasync, and a name is there when its folder was synced after it.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heliograph.testing.peers import missing, require

_CALLS = "openat,unlink,pwrite64,ftruncate,fsync,fdatasync,write"
_LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. )?(?P<call>\w+)(?P<rest>.*)")
_FILE = re.compile(r'\((?P<number>\d+)<(?P<path>(?:\\x\w\w)+)>(?:, "(?P<data>(?:\\x\w\w)*)")?(?P<numbers>(?:, \d+)*)')
_NAME = re.compile(r'"(?P<path>(?:\\x\w\w)+)"')


@dataclass(frozen=True, slots=True)
class Moment:
    """A program says something on its standard output."""

    text: str
    files: dict[str, bytes]
    """What a power cut just then would leave in the folder: contents by name."""

    def restore(self, folder: Path) -> None:
        """Write the files that are left."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def moments(words: Sequence[str], folder: Path, said: bytes) -> Iterator[Moment]:
    """Run a program that gets `said` on its standard input; give each of its writes to the standard output.

    `folder` holds the files that count, none at first. Ends the test where there is no `strace`.
    Raises `subprocess.CalledProcessError` when the program fails.
    """
    require("strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode != 0:
        missing("strace may watch no program here: allow ptrace")
    with tempfile.NamedTemporaryFile() as trace:
        # All data in hexadecimal, so that nothing needs unquoting; -y names the file of each descriptor.
        strace = ["strace", "-f", "-y", "-xx", "-s", "10000000", "-o", trace.name, "-e", f"trace={_CALLS}"]
        subprocess.run([*strace, *words], input=said, stdout=subprocess.DEVNULL, check=True, timeout=100)
        disk = _Disk(str(folder))
        with Path(trace.name).open(encoding="ascii") as lines:
            for line in lines:
                if (text := disk.follow(line)) is not None:
                    yield Moment(text, dict(disk.left))


@dataclass(slots=True)
class _Disk:
    folder: str
    left: dict[str, bytes] = field(default_factory=dict)
    """What a power cut would leave."""
    _written: dict[str, bytearray] = field(default_factory=dict)
    """What the kernel has been given."""
    _synced: dict[str, bytes] = field(default_factory=dict)
    """Contents on the disk, whether or not their names are."""
    _named: set[str] = field(default_factory=set)
    _syncing: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """File, and what it had as the call began, of each thread that waits for its fsync."""

    def follow(self, line: str) -> str | None:
        """Take one line of the trace; gives what the program said, if it is that."""
        found = _LINE.match(line)
        if found is None:
            return None
        thread, call, rest = found["thread"], found["call"], found["rest"]
        if call in ("fsync", "fdatasync"):
            if target := _FILE.match(rest):
                path = _decoded(target["path"])
                self._syncing[thread] = path, bytes(self._written.get(self._name(path), b""))
            if rest.rstrip().endswith("= 0"):
                self._sync(*self._syncing.pop(thread))
        elif call in ("openat", "unlink"):
            if (target := _NAME.search(rest)) and " = -1 " not in rest:
                self._rename(call, self._name(_decoded(target["path"])), "O_CREAT" in rest)
        elif target := _FILE.match(rest):
            data = bytes.fromhex((target["data"] or "").replace("\\x", ""))
            if call == "write" and target["number"] == "1":
                return data.decode()
            self._change(call, self._name(_decoded(target["path"])), data, target["numbers"])
        return None

    def _name(self, path: str) -> str:
        """Empty for a file elsewhere, and for the memory that SQLite's processes share, which is made anew."""
        inside, name = path.rpartition("/")[::2]
        return name if inside == self.folder and not name.endswith("-shm") else ""

    def _rename(self, call: str, name: str, creates: bool) -> None:
        if name and call == "unlink":
            self._written.pop(name, None)
        elif name and creates:
            self._written.setdefault(name, bytearray())

    def _change(self, call: str, name: str, data: bytes, numbers: str) -> None:
        if not name:
            return
        content = self._written.setdefault(name, bytearray())
        last = int(numbers.rpartition(", ")[2])
        if call == "ftruncate":
            content[:] = content[:last].ljust(last, b"\0")
            return
        at = last if call == "pwrite64" else len(content)
        content[:] = content.ljust(at, b"\0")
        content[at : at + len(data)] = data

    def _sync(self, path: str, content: bytes) -> None:
        if path == self.folder:
            self._named = set(self._written)
        elif name := self._name(path):
            self._synced[name] = content
        self.left = {name: self._synced.get(name, b"") for name in self._named}


def _decoded(hexadecimal: str) -> str:
    return bytes.fromhex(hexadecimal.replace("\\x", "")).decode()
