"""What the program's exit status says."""

from __future__ import annotations

from enum import IntEnum

from heliograph.core import (
    AddressError,
    CalibrationError,
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    CameraUrlError,
    CommandFailedError,
    CommandRefusedError,
    FeatureAccessError,
    FeatureNotFoundError,
    FeatureValueError,
    FramesHeldError,
    FrameTimeoutError,
    HeliographError,
    LinkLostError,
    MessageVersionError,
    MissingDependencyError,
    NodeNotFoundError,
    OutputError,
    PixelFormatError,
    RemoteProtocolError,
    RemoteStatusError,
    SequenceError,
    SettingError,
    SourceEndedError,
    SourceError,
    SourceNotFoundError,
    TransferError,
)


class ExitCode(IntEnum):
    """Exit status of the program; scripts may rely on the numbers."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    BUSY = 4
    BAD_VALUE = 5
    LOST = 6
    OUTPUT = 7
    PARTIAL = 8
    NOT_INSTALLED = 9
    REFUSED = 10
    FAILED = 11
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "a defect of the program, or the reader of its output went away",
    ExitCode.USAGE: "a command or an option that does not exist, is missing, or cannot have this value",
    ExitCode.NOT_FOUND: "no such camera, feature, file or node",
    ExitCode.BUSY: "in use: another client controls the camera, or the address or port is taken",
    ExitCode.BAD_VALUE: "a URL, setting, value or file that cannot be what it should be",
    ExitCode.LOST: "the camera or the link went away, sent nothing in time, or answered with an error",
    ExitCode.OUTPUT: "the result cannot be written",
    ExitCode.PARTIAL: "the series ended early; what there is was written and says that it is partial",
    ExitCode.NOT_INSTALLED: "an optional library is not installed; the message gives the line that installs it",
    ExitCode.REFUSED: "the node refused the command; the message says why",
    ExitCode.FAILED: "the command ran on the node and failed, was cancelled or interrupted",
    ExitCode.INTERRUPTED: "Ctrl-C before there was a result",
}
"""What each exit status means, in the words of the documentation."""

ERRORS: dict[type[HeliographError], ExitCode] = {
    CameraNotFoundError: ExitCode.NOT_FOUND,
    SourceNotFoundError: ExitCode.NOT_FOUND,
    FeatureNotFoundError: ExitCode.NOT_FOUND,
    NodeNotFoundError: ExitCode.NOT_FOUND,
    CameraBusyError: ExitCode.BUSY,
    AddressError: ExitCode.BUSY,
    CameraUrlError: ExitCode.BAD_VALUE,
    SettingError: ExitCode.BAD_VALUE,
    CalibrationError: ExitCode.BAD_VALUE,
    SourceError: ExitCode.BAD_VALUE,
    FeatureValueError: ExitCode.BAD_VALUE,
    FeatureAccessError: ExitCode.BAD_VALUE,
    PixelFormatError: ExitCode.BAD_VALUE,
    SequenceError: ExitCode.BAD_VALUE,
    CommandRefusedError: ExitCode.REFUSED,
    CommandFailedError: ExitCode.FAILED,
    CameraLostError: ExitCode.LOST,
    LinkLostError: ExitCode.LOST,
    TransferError: ExitCode.LOST,
    FrameTimeoutError: ExitCode.LOST,
    SourceEndedError: ExitCode.LOST,
    FramesHeldError: ExitCode.LOST,
    RemoteProtocolError: ExitCode.LOST,
    MessageVersionError: ExitCode.LOST,
    RemoteStatusError: ExitCode.LOST,
    OutputError: ExitCode.OUTPUT,
    MissingDependencyError: ExitCode.NOT_INSTALLED,
}
"""Exit status of each error."""


def exit_code(error: BaseException) -> ExitCode:
    """Give the exit status of an error.

    >>> exit_code(FrameTimeoutError("no frame within 5 s")).name
    'LOST'
    """
    for kind in type(error).__mro__:
        if kind in ERRORS:
            return ERRORS[kind]
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.UNEXPECTED
