"""Addresses of datagrams."""

import pytest

from heliograph.core import LinkLostError, TransferError
from heliograph.link.discovery import Node
from heliograph.link.keys import PrivateKey
from heliograph.link.presence import Hello
from heliograph.link.route import datagram_address, own_address

KEY = PrivateKey.generate().public


def node(files: str) -> Node:
    hello = Hello(nonce=b"", name="cam-1", key=KEY.hex, boot="0" * 16, boot_time_ns=0, wall_time_ns=0, files=files)
    return Node(hello, KEY, 0, 0)


def test_a_node_says_where_its_datagrams_go() -> None:
    assert datagram_address(node("10.0.0.2:7448")) == ("10.0.0.2", 7448)


@pytest.mark.parametrize("files", ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", ":7448", "host:x"])
def test_a_node_without_transfers_says_so(files: str) -> None:
    with pytest.raises(TransferError, match="cam-1 moves no files"):
        datagram_address(node(files))


def test_our_address_is_the_one_that_leads_there() -> None:
    assert own_address(("127.0.0.5", 9)) == "127.0.0.1"
    with pytest.raises(LinkLostError, match="no way"):
        own_address(("255.255.255.255", 9))
