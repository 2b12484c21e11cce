"""node.toml: what is read, and what is told of what cannot be."""

from pathlib import Path

import msgspec
import pytest

from heliograph.core import SettingError, SourceNotFoundError
from heliograph.link.dictionary import Role
from heliograph.link.keys import PrivateKey
from heliograph.node.settings import NodeSettings, parse, read

FILE = Path("node.toml")
KEY = PrivateKey.generate().public


def test_everything_has_a_default_but_the_name() -> None:
    settings = parse('name = "bench"', FILE)
    assert settings.pins == []
    assert settings.files.listen == "127.0.0.1:7448"
    with pytest.raises(SettingError, match=r"node\.toml: .*name"):
        parse("", FILE)


def test_every_table_is_read() -> None:
    settings = parse(
        f"""
        name = "drone-7"
        allow = ["192.168.1.0/24"]
        [link]
        mode = "router"
        connect = ["tcp/10.0.0.2:7447"]
        [[trust]]
        key = "{KEY.text("ada@ground")}"
        role = "admin"
        archive = true
        [[camera]]
        name = "front"
        url = "sim://bench"
        features = {{ ExposureTime = 2000, PixelFormat = "Mono8", ReverseX = true }}
        [[vehicle]]
        name = "drone"
        kind = "mavlink"
        connection = "udp:127.0.0.1:14550"
        [files]
        rate_bps = 20_000_000
        [telemetry]
        max_bytes = 50_000_000
        health_interval_s = 0
        """,
        FILE,
    )
    assert [(pin.key, pin.role, pin.archive) for pin in settings.pins] == [(KEY, Role.ADMIN, True)]
    assert settings.camera[0].features == {"ExposureTime": 2000, "PixelFormat": "Mono8", "ReverseX": True}
    assert settings.files.rate_bps == 20e6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('name = "a b"', "cannot be called 'a b'"),
        ('name = "../x"', "cannot be called"),
        ("name =", "Invalid value"),
        ('name = "x"\nnam = 1', "no key `nam`"),
        ('name = "x"\n[[camera]]\nname = "c"\nurl = "sim://x"\nadress = "y"', r"no key `adress` .*\(at camera\[0\]\)"),
        ('name = "x"\n[[camera]]\nname = "c"', r"url.*camera\[0\]"),
        ('name = "x"\n' + '[[camera]]\nname = "c"\nurl = "sim://x"\n' * 2, "called 'c': rename one"),
        ('name = "x"\n[link]\nlisten = ["tcp/0.0.0.0:7447"]', "can be reached by other machines"),
        ('name = "x"\n[[trust]]\nkey = "zz"', "'zz' is no public key"),
        ('name = "x"\n[[trust]]\nkey = "zz"\nrole = "king"', "'king'"),
        ('name = "x"\n[[vehicle]]\nname = "d"\nkind = "mavlink"', "connection"),
        ('name = "x"\n[[vehicle]]\nname = "d"\nkind = "sim"\nconnection = "udp:1:2"', "connection"),
        ('name = "x"\n[files]\nlisten = "here"', "HOST:PORT"),
        ('name = "x"\n[files]\nlisten = "0.0.0.0:7448"', r"files\.address"),
        ('name = "x"\n[files]\nlisten = "127.0.0.1:²"', "HOST:PORT"),
        ('name = "x"\n[files]\nrate_bps = -1.0', "at least 1000"),
        ('name = "x"\n[files]\nrate_bps = nan', "at least 1000"),
        ('name = "x"\n[telemetry]\nmax_bytes = 5', "10 000 000"),
        ('name = "x"\n[telemetry]\nevents_kept = -1', "events_kept is"),
        ('name = "x"\n[telemetry]\nhealth_interval_s = inf', "0 for never"),
        ('name = "x"\n[telemetry]\nhealth_interval_s = nan', "0 for never"),
        ('name = "x"\n[telemetry]\nhealth_interval_s = 1e-9', "0 for never"),
    ],
)
def test_what_cannot_be_is_one_line_with_the_file_and_the_place(text: str, told: str) -> None:
    with pytest.raises(SettingError, match=f"^node\\.toml: .*{told}") as caught:
        parse(text, FILE)
    assert "\n" not in str(caught.value)


def test_one_archive_is_enough() -> None:
    pin = '[[trust]]\nkey = "{}"\narchive = true\n'
    two = pin.format(KEY.hex) + pin.format(PrivateKey.generate().public.hex)
    with pytest.raises(SettingError, match="one at most"):
        parse('name = "x"\n' + two, FILE)


def test_the_role_archive_is_the_archive() -> None:
    pin = '[[trust]]\nkey = "{}"\nrole = "archive"\n'
    [only] = parse('name = "x"\n' + pin.format(KEY.hex), FILE).pins
    assert only.archive
    two = pin.format(KEY.hex) + pin.format(PrivateKey.generate().public.hex)
    with pytest.raises(SettingError, match="one at most"):
        parse('name = "x"\n' + two, FILE)


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="heliograph node init"):
        read(tmp_path / "node.toml")
    (tmp_path / "node.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match="cannot read"):
        read(tmp_path / "node.toml")


def test_the_published_schema_says_that_other_keys_are_errors() -> None:
    schema = msgspec.json.schema(NodeSettings)
    assert all(each.get("additionalProperties", False) is not True for each in schema["$defs"].values())
    assert schema["$defs"]["CameraSettings"]["additionalProperties"] is False


def test_certificates_lie_beside_the_file(tmp_path: Path) -> None:
    tls = '[link.tls]\nca = "ca.pem"\ncertificate = "/etc/node.pem"\nkey = "node-key.pem"\n'
    (tmp_path / "node.toml").write_text(f'name = "x"\n{tls}')
    found = read(tmp_path / "node.toml").link.tls
    assert found is not None
    assert (found.ca, found.certificate, found.key) == (
        str(tmp_path / "ca.pem"),
        "/etc/node.pem",
        str(tmp_path / "node-key.pem"),
    )


def test_files_taken_at_every_address_need_one_by_which_they_are_reached(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('name = "x"\n[files]\nlisten = "0.0.0.0:7448"\n')
    with pytest.raises(SettingError, match=r"name the one that the ground uses as files\.address"):
        read(path)
    path.write_text('name = "x"\n[files]\nlisten = "0.0.0.0:7448"\naddress = "192.168.1.17:7448"\n')
    assert read(path).files.address == "192.168.1.17:7448"
