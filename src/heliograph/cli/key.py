"""`heliograph key`: make the key that signs commands, show it to who shall trust it, and change it for a new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from heliograph.cli.ground import (
    Connect,
    KeyFile,
    TlsCa,
    TlsCertificate,
    TlsKey,
    ground_bus,
    ground_key,
    ground_user,
    installed,
    key_file,
)
from heliograph.core import OutputError, SettingError
from heliograph.core.atomic import replace_file
from heliograph.core.state import state_folder

if TYPE_CHECKING:
    from heliograph.link.keys import PrivateKey, PublicKey

app = typer.Typer(no_args_is_help=True, help="Make, show and rotate the key that signs commands.")

_File = Annotated[
    Path | None,
    typer.Option("--file", envvar="HELIOGRAPH_KEY", metavar="FILE", help="The key. Default: ~/.config/heliograph/key."),
]


@app.command()
def new(
    file: _File = None,
    comment: Annotated[str, typer.Option("--comment", help="Whose it is, beside the public key.")] = "",
) -> None:
    """Make a key, and print the public one. A file that is there is never overwritten."""
    private = _new_key()
    if not comment.isprintable():
        raise SettingError("the comment must be one line without control characters")
    path = key_file(file)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {path.parent} cannot be made ({error.strerror})") from error
    private.write(path)
    line = private.public.text(comment)
    try:
        replace_file(_public_file(path), f"{line}\n".encode())
    except OSError as error:
        raise OutputError(f"{_public_file(path)} cannot be written ({error.strerror}); the key is made") from error
    typer.echo(line)


@app.command()
def show(file: _File = None) -> None:
    """Print the public key, as node.toml has it."""
    path = key_file(file)
    public = ground_key(path).public
    typer.echo(public.text(_comment(path, public)))


@app.command()
def rotate(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of a node, or the beginning of its id.")],
    new_file: Annotated[Path, typer.Argument(metavar="NEW_FILE", help="The new key, made by `key new --file`.")],
    connect: Connect = None,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    key: KeyFile = None,
) -> None:
    """Have a node trust a new key in the place of the present one, which it refuses from then on."""
    old, private = ground_key(key), ground_key(new_file)
    from heliograph.link.commander import Commander, outcome
    from heliograph.link.discovery import find_node
    from heliograph.link.signature import prove_rotation

    with ground_bus(connect, tls_ca, tls_certificate, tls_key) as bus:
        found = find_node(bus, node, key=old)
        proof = prove_rotation(old.public, private)
        arguments = {"key": private.public.text(), "proof": proof}
        commander = Commander(bus, old, state_folder() / "counters")
        outcome(commander.send(found, "key.rotate", arguments, user=ground_user()))
    typer.echo(f"{found.name} trusts {private.public.short} now, and {old.public.short} no longer")


def _new_key() -> PrivateKey:
    with installed():
        from heliograph.link.keys import PrivateKey
    return PrivateKey.generate()


def _public_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _comment(path: Path, public: PublicKey) -> str:
    """Give what the file beside the key says of it, as long as it is of this key."""
    try:
        words = _public_file(path).read_text(encoding="utf-8").split(maxsplit=2)
    except (OSError, UnicodeDecodeError):
        return ""
    return words[2].strip() if len(words) == 3 and words[:2] == public.text().split() else ""
