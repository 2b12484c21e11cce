"""A new node."""

import stat
from pathlib import Path

import pytest

from heliograph.core import OutputError, SettingError
from heliograph.link.dictionary import Role
from heliograph.link.keys import PrivateKey
from heliograph.node.founding import found_node
from heliograph.node.settings import read


def test_what_is_written_is_read(tmp_path: Path) -> None:
    first, second = PrivateKey.generate().public, PrivateKey.generate().public
    file, key = found_node(tmp_path / "new", "red-giant", [first, second])
    settings = read(file)
    assert settings.name == "red-giant"
    assert [(pin.key, pin.role, pin.archive) for pin in settings.pins] == [
        (first, Role.ADMIN, True),
        (second, Role.OPERATOR, False),
    ]
    assert settings.camera[0].url == "sim://red-giant"
    own = file.with_name(settings.key)
    assert PrivateKey.read(own).public == key
    assert stat.S_IMODE(own.stat().st_mode) == 0o600


def test_every_line_that_is_commented_out_is_right(tmp_path: Path) -> None:
    """Who takes a `#` away gets a file that is read, as long as he takes those of the whole table."""
    file, _ = found_node(tmp_path, "x", [])
    text = file.read_text()
    for block in ("[[trust]]", "[[vehicle]]"):
        text = text.replace(f"# {block}", block)
    for line in (
        "role = ",
        "archive = ",
        "name = ",
        "kind = ",
        "connection = ",
        "features = ",
        "root = ",
        "rate_bps = ",
    ):
        text = text.replace(f"# {line}", line)
    text = text.replace('# key = "ssh-ed25519 AAAA…"', f'key = "{PrivateKey.generate().public.text()}"')
    file.write_text(text)
    settings = read(file)
    assert settings.vehicle[0].kind == "mavlink"
    assert settings.camera[0].features == {"ExposureTime": 2000}
    assert settings.pins[0].role is Role.ADMIN


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "node.key").write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        found_node(tmp_path, "x", [])
    assert [each.name for each in tmp_path.iterdir()] == ["node.key"]
    with pytest.raises(SettingError, match="cannot be called"):
        found_node(tmp_path, 'x"\nkey = "', [])
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another folder"):
        found_node(tmp_path / "file" / "below", "x", [])
