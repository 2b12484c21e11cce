from pathlib import Path

import pytest

from heliograph.cli.ground import ground_bus, ground_key, key_file
from heliograph.core import LinkLostError, SettingError, SourceNotFoundError
from heliograph.link.keys import PrivateKey
from heliograph.link.settings import LinkSettings
from heliograph.link.zenoh import open_bus
from heliograph.testing.addresses import loopback_address


def test_the_key_lies_where_xdg_says() -> None:
    assert key_file(Path("mine"), {}) == Path("mine")
    assert key_file(None, {"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == Path("/c/heliograph/key")
    assert key_file(None, {"XDG_CONFIG_HOME": "relative", "HOME": "/h"}) == Path("/h/.config/heliograph/key")


def test_a_key_is_read_and_a_missing_one_says_how_to_make_it(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    key.write(tmp_path / "key")
    assert ground_key(tmp_path / "key").public == key.public
    with pytest.raises(SourceNotFoundError, match="heliograph key new"):
        ground_key(tmp_path / "none")


def test_a_bus_is_connected_and_closed_again() -> None:
    with loopback_address() as address:
        endpoint = f"tcp/{address}:7447"
        board = open_bus(LinkSettings(listen=(endpoint,)))
        with ground_bus([endpoint]) as bus:
            assert board.connected.wait(5.0)
        board.close()
        with pytest.raises(LinkLostError, match="closed"):
            bus.publish("heliograph/n/x", b"")


def test_one_bus_reaches_several_nodes() -> None:
    with loopback_address() as one, loopback_address() as other:
        endpoints = [f"tcp/{address}:7447" for address in (one, other)]
        boards = [open_bus(LinkSettings(listen=(endpoint,))) for endpoint in endpoints]
        with ground_bus(endpoints):
            assert all(board.connected.wait(5.0) for board in boards)
        for board in boards:
            board.close()


def test_a_certificate_without_its_authority_is_refused() -> None:
    with pytest.raises(SettingError, match="--tls-ca"), ground_bus(None, tls_certificate=Path("own.pem")):
        pass
