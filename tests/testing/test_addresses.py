import ipaddress
import random
import socket
from contextlib import ExitStack

import pytest

from heliograph.testing.addresses import loopback_address


def test_addresses_differ_while_they_are_held() -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(loopback_address()) for _ in range(50)]
    assert len(set(held)) == 50
    assert all(ipaddress.ip_address(address).is_loopback for address in held)


def test_an_address_held_elsewhere_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = iter([9, 9, 9, 9, 9, 10])

    class Scripted:
        def randint(self, low: int, high: int) -> int:
            return next(digits)

    monkeypatch.setattr(random, "SystemRandom", Scripted)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind("\0heliograph-test-127.9.9.9")
        with loopback_address() as address:
            assert address == "127.9.9.10"


def test_a_socket_can_be_bound_there() -> None:
    with loopback_address() as address, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((address, 3956))
        assert bound.getsockname() == (address, 3956)
