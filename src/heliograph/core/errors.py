"""Every error Heliograph raises on purpose: one root, and each leaf is also the builtin a caller would expect.

    HeliographError
    ├── CameraNotFoundError      LookupError
    ├── CameraBusyError          PermissionError
    ├── CameraLostError          ConnectionError
    ├── FrameTimeoutError        TimeoutError
    ├── FramesHeldError          BufferError
    ├── CameraUrlError           ValueError
    ├── SourceNotFoundError      FileNotFoundError
    ├── SourceError              ValueError
    │   └── SourceEndedError     EOFError
    ├── FeatureNotFoundError     AttributeError, KeyError
    ├── FeatureValueError        ValueError
    ├── FeatureAccessError       PermissionError
    ├── PixelFormatError         ValueError
    ├── RemoteProtocolError      ValueError
    │   └── MessageVersionError
    ├── RemoteStatusError        OSError
    ├── AddressError             OSError
    ├── OutputError              OSError
    ├── SettingError             ValueError
    ├── CalibrationError         ValueError
    ├── NodeNotFoundError        LookupError
    ├── LinkLostError            ConnectionError
    ├── CommandRefusedError      PermissionError
    ├── CommandFailedError       RuntimeError
    ├── SequenceError            ValueError
    ├── TransferError            OSError
    └── MissingDependencyError   ImportError

The message says what happened and what to do about it, in one line.
"""


class HeliographError(Exception):
    """Root of every error that Heliograph raises on purpose.

    >>> try:
    ...     raise FrameTimeoutError("no frame within 2 s")
    ... except HeliographError as error:
    ...     print(error)
    no frame within 2 s
    """

    def __str__(self) -> str:
        # KeyError quotes its message; a user should read the sentence as written.
        return str(self.args[0]) if len(self.args) == 1 else super().__str__()


class CameraNotFoundError(HeliographError, LookupError):
    """No camera answers to this name or address."""


class CameraBusyError(HeliographError, PermissionError):
    """Another client controls the camera; the message says which."""


class CameraLostError(HeliographError, ConnectionError):
    """The camera, or the process that receives its frames, went away while in use; opening it again may succeed."""


class FrameTimeoutError(HeliographError, TimeoutError):
    """No frame arrived in the time allowed."""


class FramesHeldError(HeliographError, BufferError):
    """The program holds so many frames that none is left to receive into; drop some or copy what must stay."""


class CameraUrlError(HeliographError, ValueError):
    """A camera URL that cannot be understood: unknown scheme or parameter."""


class SourceNotFoundError(HeliographError, FileNotFoundError):
    """A file that a camera or a job should read does not exist."""


class SourceError(HeliographError, ValueError):
    """A file exists but is not what it should be, such as an unreadable image."""


class SourceEndedError(SourceError, EOFError):
    """The pictures of a finite source, such as a replayed file, are used up."""


class FeatureNotFoundError(HeliographError, AttributeError, KeyError):
    """The camera has no feature of this name."""


class FeatureValueError(HeliographError, ValueError):
    """A value that the feature cannot take; the message gives the range or the entries."""


class FeatureAccessError(HeliographError, PermissionError):
    """The feature cannot be read or written now; the message says why."""


class PixelFormatError(HeliographError, ValueError):
    """A pixel format that is unknown, or a conversion that does not exist."""


class RemoteProtocolError(HeliographError, ValueError):
    """Bytes from the network that break the protocol."""


class MessageVersionError(RemoteProtocolError):
    """The other end speaks a newer version of a message than this program knows."""


class RemoteStatusError(HeliographError, OSError):
    """The device understood a request and refused it; `status` is the GVCP status code."""

    def __init__(self, message: str, status: int = 0x8FFF) -> None:
        super().__init__(message)
        self.status = status


class AddressError(HeliographError, OSError):
    """A network address or port that cannot be used: already taken, or not of this machine."""


class OutputError(HeliographError, OSError):
    """Products cannot be written: folder missing, read-only or disk full. Nothing half-written keeps a final name."""


class SettingError(HeliographError, ValueError):
    """An option, setting or scorer that does not exist or cannot have this value."""


class CalibrationError(HeliographError, ValueError):
    """Pictures that do not determine a camera's intrinsics, or intrinsics that do not fit a picture."""


class NodeNotFoundError(HeliographError, LookupError):
    """No node of this name or key answers on the link."""


class LinkLostError(HeliographError, ConnectionError):
    """The link between board and ground cannot be opened, or was lost; trying again may succeed."""


class CommandRefusedError(HeliographError, PermissionError):
    """A node will not run a command, or does not trust who signed it; the message says why."""


class CommandFailedError(HeliographError, RuntimeError):
    """A command ran and failed, was cancelled or interrupted; the message says why."""


class SequenceError(HeliographError, ValueError):
    """A sequence that cannot be run; the message names the line and what is wrong there."""


class TransferError(HeliographError, OSError):
    """A file transfer that ended without the whole file: cancelled, abandoned, or the file changed under it."""


class MissingDependencyError(HeliographError, ImportError):
    """An optional library is not installed; the message gives the line that installs it."""
