import msgspec
import pytest

from heliograph.core import SettingError
from heliograph.link.settings import LOCAL, LinkSettings, TlsSettings

TLS = TlsSettings(ca="ca.pem", certificate="own.pem", key="own.key")


def test_by_default_only_this_machine_is_listened_to_and_nobody_is_looked_for() -> None:
    settings = LinkSettings()
    assert settings.listen == (LOCAL,)
    assert not settings.scouting
    assert settings.connect == ()


@pytest.mark.parametrize("endpoint", ["tcp/0.0.0.0:7447", "tcp/192.168.1.7:7447", "tcp/[::]:7447", "tcp/board:7447"])
def test_an_address_that_others_reach_is_refused_unprotected(endpoint: str) -> None:
    with pytest.raises(SettingError, match="plain = true"):
        LinkSettings(listen=(endpoint,))
    assert LinkSettings(listen=(endpoint,), plain=True).listen == (endpoint,)


@pytest.mark.parametrize("endpoint", ["tcp/127.0.0.9:1", "tcp/[::1]:7447", "tcp/localhost:7447"])
def test_loopback_needs_no_protection(endpoint: str) -> None:
    assert LinkSettings(listen=(endpoint,)).listen == (endpoint,)


def test_mutual_tls_protects_and_tls_alone_does_not() -> None:
    assert LinkSettings(listen=("tls/0.0.0.0:7447",), tls=TLS).tls == TLS
    with pytest.raises(SettingError, match="mutual"):
        LinkSettings(listen=("tls/0.0.0.0:7447",), tls=msgspec.structs.replace(TLS, mutual=False))


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "127.0.0.1:7447",
        "tcp/127.0.0.1",
        "tcp/127.0.0.1:70000",
        "udp/127.0.0.1:1",
        "tcp/a:1#iface=eth0",
        "tcp/a:1\n",
    ],
)
def test_what_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(SettingError, match="tcp/HOST:PORT"):
        LinkSettings(listen=(endpoint,))
    with pytest.raises(SettingError, match="tcp/HOST:PORT"):
        LinkSettings(connect=(endpoint,))


def test_certificates_that_are_missing_are_named() -> None:
    with pytest.raises(SettingError, match="needs TLS"):
        LinkSettings(connect=("tls/board:7447",))
    with pytest.raises(SettingError, match="certificate and its key"):
        LinkSettings(listen=("tls/127.0.0.1:7447",), tls=TlsSettings(ca="ca.pem"))
    with pytest.raises(SettingError, match="name both"):
        LinkSettings(tls=TlsSettings(ca="ca.pem", certificate="own.pem"))


def test_a_client_needs_somebody_to_connect_to() -> None:
    with pytest.raises(SettingError, match="address to connect to"):
        LinkSettings(mode="client")


def test_unknown_keys_are_errors() -> None:
    with pytest.raises(msgspec.ValidationError, match="scoutin"):
        msgspec.convert({"scoutin": True}, LinkSettings)


def test_a_bad_buffer_is_refused() -> None:
    with pytest.raises(SettingError, match="send_buffer_bytes"):
        LinkSettings(send_buffer_bytes=100)
