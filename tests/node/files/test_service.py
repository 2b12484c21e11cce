"""What the node's files do without a ground: on the node's own behalf, and over a restart."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import CommandRefusedError
from heliograph.link.arguments import check
from heliograph.link.entity import entity_of
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.roots import Root
from heliograph.node.files import FileService
from heliograph.testing.outlet import Heard

NODE, ARCHIVE = PrivateKey.generate().public, PrivateKey.generate().public


@dataclass
class Call:
    """A run of a command on the node's own behalf."""

    arguments: Mapping[str, Any]
    id: str = "0" * 32
    user: str = "sequence"
    key: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)

    def progress(self, text: str, fraction: float | None = None) -> None:
        pass


@contextmanager
def service(
    folder: Path, archive: PublicKey | None = ARCHIVE, heard: Heard | None = None
) -> Iterator[Callable[..., Any]]:
    """Give what runs a command."""
    (folder / "root").mkdir(exist_ok=True)
    emit = (heard or Heard()).emit
    with FileService(
        folder / "state",
        Root(folder / "root"),
        key=NODE,
        emit=emit,
        archive=lambda: archive,
        listen=("127.0.0.1", 0),
    ) as files:
        commands = {each.definition.name: each for each in files.commands}

        def run(name: str, **arguments: Any) -> Any:
            command = commands[name]
            return command.run(Call(check(command.definition, arguments)))

        yield run


def test_a_sequences_downlinks_are_for_the_archive_and_survive_a_restart(tmp_path: Path) -> None:
    heard = Heard()
    with service(tmp_path) as run:
        (tmp_path / "root" / "a").write_bytes(b"hello")
        queued = run("files.downlink", path="a", priority=3)
        assert run("fileDownlink.SendFile", sourceFileName="/a") == queued
        (row,) = run("files.transfers")
        assert (row["transaction"], row["peer"], row["state"]) == (queued["transaction"], entity_of(ARCHIVE), "waiting")
        ended = run("files.downlink", path="a", entity=7)["transaction"]
        run("files.abandon", transaction=ended)
    with service(tmp_path, heard=heard) as run:
        assert [row["transaction"] for row in run("files.transfers")] == [ended, queued["transaction"]]
        assert run("files.downlink", path="a") == queued
    # What a former run had ended is no news.
    assert not heard.event_names


def test_without_an_archive_nobody_is_there_to_send_to(tmp_path: Path) -> None:
    with service(tmp_path, archive=None) as run:
        (tmp_path / "root" / "a").write_bytes(b"hello")
        with pytest.raises(CommandRefusedError, match="pin its key"):
            run("files.downlink", path="a")
        assert run("files.downlink", path="a", entity=7)["size_bytes"] == 5


def test_a_file_that_changed_since_it_was_queued_is_queued_anew(tmp_path: Path) -> None:
    with service(tmp_path) as run:
        (tmp_path / "root" / "a").write_bytes(b"hello")
        first = run("files.downlink", path="a")
        (tmp_path / "root" / "a").write_bytes(b"world")
        second = run("files.downlink", path="a")
        assert second["sha256"] != first["sha256"]
        assert [(row["transaction"], row["state"]) for row in run("files.transfers")] == [
            (first["transaction"], "cancelled"),
            (second["transaction"], "waiting"),
        ]


def test_it_listens_everywhere_where_node_toml_says_so(tmp_path: Path) -> None:
    with FileService(
        tmp_path, Root(tmp_path), key=NODE, emit=Heard().emit, archive=lambda: None, listen=("0.0.0.0", 0)
    ) as files:
        assert files.address.startswith("0.0.0.0:")
