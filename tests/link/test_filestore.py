"""The ends of transfers below a root are made anew from their names."""

from pathlib import Path

import pytest

from heliograph.core import OutputError, TransferError
from heliograph.link.filestore import RootedSource, RootedTarget
from heliograph.link.roots import Root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


@pytest.mark.parametrize("path", ["a/x.bin", "odd =: name", "7-1:7-1=x"])
@pytest.mark.parametrize("replace", [False, True])
def test_they_are_the_same_after_a_restart(root: Root, path: str, replace: bool) -> None:
    source = RootedSource(root, path, bytes(range(32)))
    target = RootedTarget(root, path, "7-1", replace)
    assert RootedSource.named(root, source.name) == source
    assert RootedTarget.named(root, target.name) == target


@pytest.mark.parametrize("name", ["", "x", "/etc/passwd", "7-1:"])
def test_a_name_of_another_program_is_refused(root: Root, name: str) -> None:
    for kind in (RootedSource, RootedTarget):
        with pytest.raises(TransferError, match="another program"):
            kind.named(root, name)


def test_a_target_becomes_a_file_and_a_source_reads_it(root: Root, tmp_path: Path) -> None:
    target = RootedTarget(root, "new/x.bin", "7-1")
    with target.open() as part:
        part.write(b"hello")
    assert not (tmp_path / "new/x.bin").exists()
    target.commit()
    target.commit()
    with RootedSource(root, "new/x.bin", bytes(32)).open() as stream:
        assert stream.read() == b"hello"


def test_a_target_that_is_discarded_leaves_nothing(root: Root, tmp_path: Path) -> None:
    target = RootedTarget(root, "x.bin", "7-1")
    target.open().close()
    target.discard()
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError):
        target.commit()
