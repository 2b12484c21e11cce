"""What the link opens to the network, seen by the kernel of a network namespace of its own."""

import json
import subprocess
import sys

from heliograph.testing.peers import namespace_command, require

PROGRAM = """
import json, sys
from contextlib import closing
from heliograph.link.settings import LinkSettings
from heliograph.link.zenoh import open_bus

ground = LinkSettings(mode="router", listen=(), connect=LinkSettings().listen)
with closing(open_bus(LinkSettings(**json.loads(sys.argv[1])))), closing(open_bus(ground)) as bus:
    bus.connected.wait(1.0)
    names = ("tcp", "tcp6", "udp", "udp6", "igmp")
    print(json.dumps({name: open(f"/proc/net/{name}").read().splitlines() for name in names}))
"""
SCOUTING = """
from contextlib import closing
from heliograph.link.settings import LinkSettings
from heliograph.link.zenoh import open_bus

one, other = (LinkSettings(listen=(f"tcp/192.0.2.1:{port}",), plain=True, scouting=True) for port in (7447, 7448))
with closing(open_bus(one)) as bus, closing(open_bus(other)):
    print(bus.connected.wait(20.0))
"""
NETWORK = (
    "{ip} link set lo up && {ip} link add lan type veth peer name far && {ip} addr add 192.0.2.1/24 dev lan && "
    '{ip} link set lan up && {ip} link set far up && exec "$@"'
)


def sockets(**settings: object) -> dict[str, list[str]]:
    """Give what /proc/net tells while a node and a ground with these settings are there."""
    found: dict[str, list[str]] = json.loads(on_a_lan(PROGRAM, json.dumps(settings)))
    return found


def on_a_lan(program: str, *words: str) -> str:
    shell = ["sh", "-c", NETWORK.format(ip=require("ip")), "sh"]
    command = [*namespace_command(), *shell, sys.executable, "-c", program, *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout


def listening(lines: list[str]) -> list[str]:
    # State 0A is TCP_LISTEN; addresses are hexadecimal in the order of the machine's bytes.
    return [line.split()[1] for line in lines[1:] if line.split()[3] == "0A"]


def test_by_default_only_loopback_listens_and_nothing_is_multicast() -> None:
    found = sockets()
    assert listening(found["tcp"]) == ["0100007F:1D17"]
    assert [*listening(found["tcp6"]), *found["udp"][1:], *found["udp6"][1:]] == []
    assert not any("E00000E0" in line for line in found["igmp"])


def test_scouting_is_seen_when_it_is_asked_for() -> None:
    # Without this, the test above might look in the wrong place: Zenoh's group is 224.0.0.224.
    found = sockets(scouting=True)
    assert found["udp"][1:] != []
    assert any("E00000E0" in line for line in found["igmp"])


def test_who_listens_nowhere_has_no_port() -> None:
    found = sockets(listen=[])
    assert [*listening(found["tcp"]), *listening(found["tcp6"]), *found["udp"][1:]] == []


def test_peers_of_a_lan_find_each_other_by_scouting() -> None:
    assert on_a_lan(SCOUTING) == "True\n"
