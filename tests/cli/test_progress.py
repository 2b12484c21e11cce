import pytest

from heliograph.cli.progress import progress_bar
from heliograph.payload import Progress, Record, Score


def test_the_bar_is_on_stderr_and_names_the_best_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    leader = Record(7, Score(143, 70), frame_id=8, timestamp_ns=0, received_ns=0)
    with progress_bar(20) as report:
        report(Progress(1, 20))
        report(Progress(9, 20, leader))
    written = capsys.readouterr()
    assert written.out == ""
    assert "9/20" in written.err
    assert "best 007: 143" in written.err


def test_nothing_is_shown_before_there_is_something_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(20):
        pass
    assert capsys.readouterr().err == ""


def test_a_notice_is_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(20) as report:
        report(Progress(0, 20, notice="camera lost: [/b] \x1b[2J"))
    assert "camera lost: [/b] \ufffd[2J" in capsys.readouterr().err
