import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import OutputError
from heliograph.link.counterfile import next_counter


@given(st.lists(st.tuples(st.integers(0, 2**53), st.integers(0, 2**53)), max_size=30))
def test_counters_rise_whatever_the_clock_does(times: list[tuple[int, int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        last = 0
        for above, wall_time_us in times:
            counter = next_counter(Path(folder) / "node", above=above, wall_time_us=wall_time_us)
            assert counter > max(last, above)
            assert counter >= wall_time_us
            last = counter


PROGRAM = """
import pathlib, sys
from heliograph.link.counterfile import next_counter
print(*(next_counter(pathlib.Path(sys.argv[1]), above=0, wall_time_us=5) for _ in range(100)))
"""


def test_two_programs_and_their_threads_never_get_the_same(tmp_path: Path) -> None:
    file = tmp_path / "node"
    words = [sys.executable, "-c", PROGRAM, str(file)]
    programs = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(next_counter, file, above=0, wall_time_us=5) for _ in range(100)]
    counters = [run.result() for run in runs]
    for program in programs:
        told, _ = program.communicate()
        counters += map(int, told.split())
    assert sorted(counters) == list(range(5, 305))


@pytest.mark.parametrize("content", [b"", b"garbage", b"12\x00", b"-5"])
def test_a_spoilt_file_leaves_the_clock_and_what_the_node_saw(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "node").write_bytes(content)
    assert next_counter(tmp_path / "node", above=70, wall_time_us=50) == 71
    assert next_counter(tmp_path / "node", above=0, wall_time_us=50) == 72


def test_a_counter_that_cannot_be_kept_is_not_given(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be kept"):
        next_counter(tmp_path / "file" / "node", above=0, wall_time_us=1)
    with pytest.raises(OutputError, match="cannot be kept"):
        next_counter(tmp_path, above=0, wall_time_us=1)
