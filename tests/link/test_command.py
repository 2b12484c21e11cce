import pytest

from heliograph.link.command import Stage


@pytest.mark.parametrize("stage", Stage)
def test_a_stage_is_final_when_nothing_comes_after_it(stage: Stage) -> None:
    assert stage.final == (stage.value not in {"received", "accepted", "started", "progress"})
