"""Checksums against their definitions, in pieces; and of files."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import TransferError
from heliograph.link.cfdp.digest import Checksum, Digest
from heliograph.link.cfdp.pdu import ChecksumType


def modular(data: bytes) -> int:
    padded = data + bytes(-len(data) % 4)
    return sum(int.from_bytes(padded[at : at + 4]) for at in range(0, len(padded), 4)) % (1 << 32)


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_pieces_give_what_the_whole_gives(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    for kind, expected in (
        (ChecksumType.MODULAR, modular(whole)),
        (ChecksumType.CRC_32, zlib.crc32(whole)),
        (ChecksumType.NULL_CHECKSUM, 0),
    ):
        checksum = Checksum(kind)
        for piece in pieces:
            checksum.update(piece)
        assert checksum.value == expected


def test_crc_32c_of_its_check_value() -> None:
    checksum = Checksum(ChecksumType.CRC_32C)
    checksum.update(b"1234")
    checksum.update(b"56789")
    # The check value that RFC 3720's CRC-32C has in every catalogue.
    assert checksum.value == 0xE306_9283


def test_a_large_file_is_taken_in_steps(tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb", buffering=0) as file:
        digest = Digest(file, ChecksumType.CRC_32, hashed=True)
        assert digest.advance(len(data))
        while digest.advance(len(data)):
            pass
        assert (digest.checksum, digest.sha256) == (zlib.crc32(data), hashlib.sha256(data).digest())
        with pytest.raises(TransferError, match="shorter"):
            digest.advance(len(data) + 1)


def test_less_than_was_taken_already_is_no_step(tmp_path: Path) -> None:
    """As after a full disk, when part of what came has to come again."""
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    with path.open("rb", buffering=0) as file:
        digest = Digest(file, ChecksumType.CRC_32C, hashed=True)
        digest.advance(5)
        assert not digest.advance(3)
        assert digest.done_bytes == 5
        assert digest.sha256 == hashlib.sha256(b"hello").digest()
