from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.core import OutputError
from heliograph.payload.output import OutputFolder
from heliograph.testing.disk import disk_full_beyond
from heliograph.testing.peers import missing

OWN = re.compile(r"part_\d+|seal")
OLD = {"part_1": b"old 1", "part_2": b"old 2", "part_3": b"old 3", "seal": b"old"}
NEW = {"part_2": b"new 2", "part_4": b"new 4", "seal": b"new"}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with OutputFolder(tmp_path / "deep" / "data") as output:
        output.replace(OLD, OWN)
    (output.path / "notes.txt").write_bytes(b"mine")
    return output.path


def test_new_set_takes_the_place_of_the_old_and_leaves_the_rest(folder: Path) -> None:
    with OutputFolder(folder) as output:
        output.replace(NEW, OWN)
    assert contents(folder) == {**NEW, "notes.txt": b"mine"}


def test_full_disk_leaves_everything_as_it_was(folder: Path) -> None:
    before = contents(folder)
    too_much = {"part_2": b"small", "part_4": bytes(60_000), "seal": b"new"}
    says = r"no room to write into .*: free some; what was there is untouched"
    with OutputFolder(folder) as output, disk_full_beyond(50_000), pytest.raises(OutputError, match=says):
        output.replace(too_much, OWN)
    assert contents(folder) == before


@pytest.mark.parametrize("fatal", range(3))
def test_break_between_renames_never_seals_a_mixed_set(
    folder: Path, fatal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    renames = 0
    rename = Path.replace

    def breaking(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames > fatal:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    with OutputFolder(folder) as output:
        monkeypatch.setattr(Path, "replace", breaking)
        with pytest.raises(OutputError, match="Input/output error"):
            output.replace(NEW, OWN)
    found = contents(folder)
    assert "seal" not in found
    assert not any(name.startswith(".") for name in found)
    assert all(found[name] == NEW[name] or found[name] == OLD.get(name) for name in found if OWN.fullmatch(name))


def test_left_overs_of_a_killed_job_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".heliograph-frame_001.png.part").write_bytes(b"half a pict")
    (tmp_path / ".hidden").write_bytes(b"mine")
    with OutputFolder(tmp_path):
        pass
    assert contents(tmp_path) == {".hidden": b"mine"}


def test_second_job_is_kept_out(tmp_path: Path) -> None:
    with OutputFolder(tmp_path), pytest.raises(OutputError, match="another job writes into"), OutputFolder(tmp_path):
        pass
    with OutputFolder(tmp_path):
        pass  # the lock goes with the first


def test_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_bytes(b"")
    with pytest.raises(OutputError, match="it is a file; choose a folder"), OutputFolder(place):
        pass


@pytest.mark.parametrize("place", ["/proc/heliograph", "/dev/null/data", f"/tmp/{'a' * 300}"])
def test_folder_that_cannot_be(place: str) -> None:
    with pytest.raises(OutputError, match=f"cannot write into {place}"), OutputFolder(Path(place)):
        pass


def test_full_disk_is_found_before_the_work(tmp_path: Path) -> None:
    with disk_full_beyond(0), pytest.raises(OutputError, match="no room"), OutputFolder(tmp_path):
        pass
    assert contents(tmp_path) == {}


def test_disk_that_is_really_full(tmp_path: Path) -> None:
    program = (
        "import re, sys; from pathlib import Path\n"
        "from heliograph.payload.output import OutputFolder\n"
        "with OutputFolder(Path(sys.argv[1]) / 'data') as output:\n"
        "    output.replace({'part_1': b'old', 'seal': b'old'}, re.compile('part_.|seal'))\n"
        "    try: output.replace({'part_1': bytes(90_000), 'seal': b'new'}, re.compile('part_.|seal'))\n"
        "    except OSError as error: print(error)\n"
        "    print(sorted((file.name, file.read_bytes()) for file in output.path.iterdir()))\n"
    )
    # The mount lives in a namespace of its own and goes with it.
    mount = "mount -t tmpfs -o size=64k none {0} || exit 77; exec {1} -c {2} {0}"
    script = mount.format(*map(shlex.quote, (str(tmp_path), sys.executable, program)))
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        missing("no right to mount a small disk: run the tests as root")
    assert done.stdout.splitlines() == [
        f"no room to write into {tmp_path}/data (No space left on device): free some; what was there is untouched",
        "[('part_1', b'old'), ('seal', b'old')]",
    ]
