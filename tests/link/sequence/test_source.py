from pathlib import Path

import pytest

from heliograph.core import MessageVersionError, OutputError, SourceError, SourceNotFoundError
from heliograph.link.channel import Channel, Stream
from heliograph.link.dictionary import Argument, CommandDefinition, Dictionary, Hazard, Role
from heliograph.link.sequence.source import read_dictionary, write_dictionary

DICTIONARY = Dictionary(
    commands=(
        CommandDefinition(
            name="a",
            description="Ä",
            arguments=(Argument(name="x", type="integer", default=3), Argument(name="y", choices=("p", "q"))),
            hazard=Hazard.HAZARDOUS,
            role=Role.ADMIN,
        ),
    ),
    streams=(Stream(name="health", channels=(Channel(name="cpu", unit="%"),)),),
)


def test_a_dictionary_is_read_back(tmp_path: Path) -> None:
    write_dictionary(tmp_path / "node.json", DICTIONARY)
    assert read_dictionary(tmp_path / "node.json") == DICTIONARY


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (b"", SourceError, "holds no dictionary"),
        (b"\xff\xfe", SourceError, "holds no dictionary"),
        (b'{"kind": "hello", "version": 1, "fields": {}}', SourceError, "holds no dictionary"),
        (b'{"kind": "dictionary", "version": 1, "fields": {"commands": 1}}', SourceError, "holds no dictionary"),
        (b'{"kind": "dictionary", "version": 99, "fields": []}', MessageVersionError, "newer heliograph"),
        (b"[" * 100_000, SourceError, "holds no dictionary"),
    ],
)
def test_another_file_is_told(tmp_path: Path, content: bytes, error: type[Exception], said: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(error) as told:
        read_dictionary(tmp_path / "x.json")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="sequence dictionary NODE"):
        read_dictionary(tmp_path / "none.json")
    with pytest.raises(SourceError, match="cannot read"):
        read_dictionary(tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        write_dictionary(tmp_path / "none" / "x.json", DICTIONARY)
