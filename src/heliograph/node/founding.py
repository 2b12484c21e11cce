"""A new node: its key, and a node.toml that explains itself."""

from __future__ import annotations

from pathlib import Path

from heliograph.core import OutputError
from heliograph.core.atomic import sync_folder, write_whole
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.node.settings import check_name

_TEMPLATE = """\
# A Heliograph node. `heliograph node --config {file}` runs it; docs/reference/node.md explains every line.
name = "{name}"                         # a label for people; the key in node.key is what the node is

[link]
# This machine only; for others tls/… with certificates, as docs/reference/link.md shows.
listen = ["tcp/127.0.0.1:7447"]
# connect = ["tcp/10.0.0.2:7447"]       # a router or a station that the node calls by itself
# [link.tls]
# ca = "/etc/heliograph/ca.pem"
# certificate = "/etc/heliograph/node.pem"
# key = "/etc/heliograph/node-key.pem"

# Whom the node obeys. `heliograph key new` makes a key on the ground, `heliograph key show` prints its line.
# role: archive (acknowledges telemetry), operator (commands, too), admin (changes keys and restarts, too).
{trust}
# Cameras; each is served with GigE Vision at an address of its own and can be used by commands meanwhile.
[[camera]]
name = "cam-1"
url = "sim://red-giant"                 # picamera2://0, v4l2:///dev/video0, rtsp://…: heliograph cameras lists some
# address = "192.168.1.17"              # an address of this machine; without it one of loopback
# features = {{ ExposureTime = 2000 }}    # set when the node starts

# [[vehicle]]
# name = "drone"
# kind = "mavlink"                      # sim (flies a circuit), latch (only remembers)
# connection = "udp:127.0.0.1:14550"    # tcp:127.0.0.1:5760, serial:/dev/ttyAMA0:57600

[files]
# root = "/var/lib/heliograph/files"    # where uplinks end and downlinks come from
listen = "127.0.0.1:7448"               # UDP; for other machines an address of this one
# rate_bps = 20_000_000                 # of a link whose rate is known

[telemetry]
max_bytes = 1_000_000_000               # disk for what the ground has not acknowledged
health_interval_s = 1.0                 # this machine's processor, memory, disk, temperature; 0 for never
"""

_PINNED = """\
[[trust]]
key = "{key}"
role = "admin"
archive = true                          # its acknowledgements let the node forget telemetry; one key at most
"""

_NOBODY = """\
# [[trust]]
# key = "ssh-ed25519 AAAA…"
# role = "admin"
# archive = true                        # its acknowledgements let the node forget telemetry; one key at most
"""


def found_node(folder: Path, name: str, trusted: list[PublicKey]) -> tuple[Path, PublicKey]:
    """Write node.toml and node.key into a folder; give the former and the node's public key.

    The first of the keys that are trusted is admin and archive, the others are operators. Files that are there stay:
    raises `OutputError` then, and when the folder cannot be written; `SettingError` for a name that cannot be one.
    """
    check_name("a node", name)
    file, key_file = folder / "node.toml", folder / "node.key"
    pins = [
        _PINNED.format(key=key.text()) if index == 0 else f'[[trust]]\nkey = "{key.text()}"\nrole = "operator"\n'
        for index, key in enumerate(trusted)
    ]
    text = _TEMPLATE.format(file=file.name, name=name, trust="\n".join(pins) or _NOBODY)
    for each in (file, key_file):
        if each.exists():
            raise OutputError(f"{each} is there already: choose another folder, or remove it if the node is no more")
    key = PrivateKey.generate()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        key.write(key_file)
        write_whole(file, text.encode())
        sync_folder(folder)
    except OSError as error:
        raise OutputError(f"cannot write into {folder} ({error.strerror}): choose another folder") from error
    return file, key.public
