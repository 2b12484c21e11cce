"""What the commands that talk to nodes share: where the link is, what protects it, and whose key speaks."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heliograph.core import MissingDependencyError, SettingError

if TYPE_CHECKING:
    from heliograph.link.bus import Bus
    from heliograph.link.keys import PrivateKey

Connect = Annotated[
    list[str] | None,
    typer.Option(
        "--connect",
        envvar="HELIOGRAPH_CONNECT",
        metavar="ADDRESS",
        help="Where nodes or a router listen; repeatable. Default: tcp/127.0.0.1:7447.",
    ),
]
TlsCa = Annotated[
    Path | None,
    typer.Option("--tls-ca", envvar="HELIOGRAPH_TLS_CA", metavar="FILE", help="Authority of the link's certificates."),
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option(
        "--tls-certificate", envvar="HELIOGRAPH_TLS_CERTIFICATE", metavar="FILE", help="Our certificate for the link."
    ),
]
TlsKey = Annotated[
    Path | None,
    typer.Option("--tls-key", envvar="HELIOGRAPH_TLS_KEY", metavar="FILE", help="Private key of our certificate."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key", envvar="HELIOGRAPH_KEY", metavar="FILE", help="Our signing key. Default: ~/.config/heliograph/key."
    ),
]

_PATIENCE_S = 3.0


def key_file(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Give the file of the signing key, by the XDG rules when none is given.

    >>> key_file(None, {"HOME": "/ada"})
    PosixPath('/ada/.config/heliograph/key')
    """
    if given is not None:
        return given
    base = environment.get("XDG_CONFIG_HOME", "")
    # The XDG rules say to ignore a relative path.
    home = Path(base) if base.startswith("/") else Path(environment.get("HOME", "~")).expanduser() / ".config"
    return home / "heliograph" / "key"


def ground_key(given: Path | None) -> PrivateKey:
    """Give the key that signs what the ground says. Raises what `PrivateKey.read` raises, as when there is none."""
    with installed():
        from heliograph.link.keys import PrivateKey
    return PrivateKey.read(key_file(given))


def ground_user() -> str:
    """Give the name of who runs this program, as the node's journal keeps it; empty where the system has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


@contextmanager
def ground_bus(
    connect: list[str] | None,
    tls_ca: Path | None = None,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
    *,
    wait_s: float = _PATIENCE_S,
) -> Iterator[Bus]:
    """Give a bus that is connected to a node or a router. Raises `LinkLostError` when none answers in time."""
    with installed():
        from heliograph.link.settings import LOCAL, LinkSettings, TlsSettings
        from heliograph.link.zenoh import open_bus
    if tls_ca is None and (tls_certificate or tls_key):
        raise SettingError("a TLS certificate alone protects nothing: name its authority with --tls-ca, too")
    tls = None
    if tls_ca is not None:
        tls = TlsSettings(ca=str(tls_ca), certificate=str(tls_certificate or ""), key=str(tls_key or ""))
    # A router, as it may be connected to several nodes, or to a router with nodes behind it. It listens nowhere.
    settings = LinkSettings(mode="router", listen=(), connect=tuple(connect or [LOCAL]), tls=tls)
    bus = open_bus(settings, wait_s=wait_s)
    try:
        yield bus
    finally:
        bus.close()


@contextmanager
def installed() -> Iterator[None]:
    """Say how to install what an import in this block lacks. Raises `MissingDependencyError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{error.name} is not installed: pip install 'heliograph[link]'") from error
