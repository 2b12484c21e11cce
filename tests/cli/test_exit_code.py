import inspect

import pytest

from heliograph.cli.exit_code import ERRORS, MEANINGS, ExitCode, exit_code
from heliograph.core import CameraLostError, HeliographError, SourceEndedError, errors

LEAVES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each is not HeliographError]


@pytest.mark.parametrize("error", LEAVES)
def test_every_error_has_an_exit_status_of_its_own_choice(error: type[HeliographError]) -> None:
    assert error in ERRORS
    assert exit_code(error("what to do")) not in (ExitCode.OK, ExitCode.UNEXPECTED)


def test_every_exit_status_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_the_nearest_error_decides() -> None:
    class FarAwayError(CameraLostError):
        pass

    assert exit_code(FarAwayError("gone")) is ExitCode.LOST
    assert exit_code(SourceEndedError("no more")) is ExitCode.LOST


def test_what_nobody_foresaw_is_a_defect() -> None:
    assert exit_code(ZeroDivisionError()) is ExitCode.UNEXPECTED
    assert exit_code(KeyboardInterrupt()) is ExitCode.INTERRUPTED
