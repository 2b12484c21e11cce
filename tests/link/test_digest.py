"""SHA-256 of files, computed once for as long as a file is the same."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from heliograph.core import TransferError
from heliograph.link.digest import Digests

OLD_S = 1_000_000_000


@pytest.fixture
def going() -> threading.Event:
    return threading.Event()


def digest(digests: Digests, file: Path, cancelled: threading.Event) -> bytes:
    with file.open("rb", buffering=0) as stream:
        return digests.of(stream, cancelled)


@pytest.mark.parametrize("size_bytes", [0, 1, (1 << 20) - 1, 1 << 20, 3_000_001])
def test_it_is_the_digest_of_the_whole(tmp_path: Path, going: threading.Event, size_bytes: int) -> None:
    content = os.urandom(size_bytes)
    (tmp_path / "x").write_bytes(content)
    with (tmp_path / "x").open("rb", buffering=0) as stream:
        stream.seek(size_bytes // 2)
        assert Digests().of(stream, going) == hashlib.sha256(content).digest()


def test_a_file_that_settled_is_not_read_again(
    tmp_path: Path, going: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = 10**18
    monkeypatch.setattr("time.time_ns", lambda: now_ns)
    file, digests = tmp_path / "x", Digests()
    file.write_bytes(b"one")
    first = digest(digests, file, going)
    going.set()  # which only matters to who reads
    assert digest(digests, file, going) == first


def test_a_file_that_was_just_written_is_read_again(tmp_path: Path, going: threading.Event) -> None:
    file, digests = tmp_path / "x", Digests()
    file.write_bytes(b"one")
    digest(digests, file, going)
    going.set()
    with pytest.raises(TransferError, match="cancelled"):
        digest(digests, file, going)


def test_a_file_that_was_written_meanwhile_is_read_again(
    tmp_path: Path, going: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    file, digests = tmp_path / "x", Digests()
    file.write_bytes(b"one")
    os.utime(file, (OLD_S, OLD_S))
    digest(digests, file, going)
    file.write_bytes(b"two")
    os.utime(file, (OLD_S, OLD_S))  # size and time as before; the time of the change is not for sale
    assert digest(digests, file, going) == hashlib.sha256(b"two").digest()


def test_a_file_that_grows_under_it_has_no_digest(tmp_path: Path, going: threading.Event) -> None:
    file = tmp_path / "x"
    file.write_bytes(bytes(10))

    class Growing(threading.Event):
        def is_set(self) -> bool:
            with file.open("ab") as stream:
                stream.write(b"more")
            self.is_set = super().is_set  # type: ignore[method-assign]  # once
            return False

    with pytest.raises(TransferError, match="written to"):
        digest(Digests(), file, Growing())


def test_only_the_newest_are_kept(tmp_path: Path, going: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    digests = Digests(most=2)
    for name in "abc":
        (tmp_path / name).write_text(name)
        digest(digests, tmp_path / name, going)
    going.set()
    digest(digests, tmp_path / "b", going)
    digest(digests, tmp_path / "c", going)
    with pytest.raises(TransferError):
        digest(digests, tmp_path / "a", going)
