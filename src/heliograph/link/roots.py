"""A folder that no name leads out of: every way into it is walked by descriptors, and no link on it is followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from heliograph.core import OutputError, SettingError, SourceError, SourceNotFoundError
from heliograph.link.paths import names_of

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Neither a link nor a terminal nor a pipe without a writer may catch who opens it.
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Root:
    """A folder, and everything below it by relative paths; for use by several threads.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = Path(folder.name, "note.txt").write_text("hello")
    >>> root = Root(Path(folder.name))
    >>> with root.open("note.txt") as stream:
    ...     stream.read()
    b'hello'
    >>> folder.cleanup()

    Symbolic links, devices, pipes and sockets are never opened, and no link on the way is followed: also not when a
    folder is exchanged for one meanwhile. A hard link is the file itself and cannot be told from it. Methods raise
    `SettingError` for paths that cannot be, `SourceNotFoundError` for what is not there, `SourceError` for what is no
    plain file or folder, `OutputError` for what cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SettingError(f"{folder} is no folder: make it, or name another one as the file root")
        self._folder = folder

    @contextmanager
    def folder(self, names: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """Give a descriptor of a folder, by walking there from the root; `make` makes what is missing."""
        try:
            here = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceNotFoundError(f"the file root is gone ({error.strerror}): mount it or make it") from error
        try:
            for depth, name in enumerate(names, 1):
                here = _enter(here, name, "/".join(names[:depth]), make)
            yield here
        finally:
            os.close(here)

    def open(self, path: str) -> BinaryIO:
        """Open a plain file for reading."""
        *above, name = self._file_names(path)
        with self.folder(tuple(above)) as folder:
            # A device may act on being opened: it is not even tried.
            _check_plain(_look(folder, name, path), path)
            return _opened(folder, name, path, os.O_RDONLY)

    def look(self, path: str) -> os.stat_result | None:
        """Give what `lstat` says of a file or folder, None where there is none."""
        *above, name = self._file_names(path)
        try:
            with self.folder(tuple(above)) as folder:
                return _found(folder, name)
        except SourceNotFoundError:
            return None

    def delete(self, path: str) -> None:
        """Delete a file, a link or an empty folder."""
        *above, name = self._file_names(path)
        with self.folder(tuple(above)) as folder:
            is_folder = stat.S_ISDIR(_look(folder, name, path).st_mode)
            try:
                (os.rmdir if is_folder else os.unlink)(name, dir_fd=folder)
                os.fsync(folder)
            except OSError as error:
                raise _unwritten(f"{path} cannot be deleted", error) from error

    def free_bytes(self) -> int:
        """Give how much room there is on the root's disk for a program without privileges."""
        with self.folder(()) as folder:
            disk = os.fstatvfs(folder)
        return disk.f_bavail * disk.f_frsize

    def open_part(self, path: str, label: str) -> BinaryIO:
        """Open for reading and writing what will be the file `path`, as it was left or empty; makes its folders."""
        *above, name = self._file_names(path)
        part = _part_name(label)
        with self.folder(tuple(above), make=True) as folder:
            if found := _found(folder, part):
                _check_plain(found, path)
            stream = _opened(folder, part, path, os.O_RDWR | os.O_CREAT)
            # Somebody else's file under a second name would be written into; our own has one after a crash.
            links = os.fstat(stream.fileno()).st_nlink
            if links != (2 if _is_same(folder, part, name) else 1):
                stream.close()
                raise OutputError(f"what was received of {path} has a second name: delete {part} beside it")
            os.fsync(folder)
        return stream

    def publish_part(self, path: str, label: str, *, replace: bool) -> None:
        """Give a part that is whole its name, on the disk; a file that has it is only replaced when told.

        Asked again after a crash: a part that is gone has got its name before.
        """
        *above, name = self._file_names(path)
        part = _part_name(label)
        with self.folder(tuple(above)) as folder:
            if found := _found(folder, part):
                _check_plain(found, path)
                try:
                    _give_name(folder, part, name, replace=replace)
                except FileExistsError as error:
                    raise OutputError(f"{path} is there already: delete it, or ask to replace it") from error
                except OSError as error:
                    raise _unwritten(f"{path} cannot get its name", error) from error
            elif _found(folder, name) is None:
                raise OutputError(f"what was received of {path} was deleted: send it again")
            os.fsync(folder)

    def discard_part(self, path: str, label: str) -> None:
        """Forget what was received of a file; nothing when there is nothing."""
        *above, _ = self._file_names(path)
        with suppress(FileNotFoundError, SourceNotFoundError), self.folder(tuple(above)) as folder:
            os.unlink(_part_name(label), dir_fd=folder)

    @staticmethod
    def _file_names(path: str) -> tuple[str, ...]:
        names = names_of(path)
        if not names:
            raise SettingError("the file root itself is no file: give a path below it")
        return names


def _enter(here: int, name: str, path: str, make: bool) -> int:
    """Give the folder `name` in the folder `here`, which is closed."""
    if make:
        _make_folder(here, name, path)
    try:
        below = os.open(name, _FOLDER, dir_fd=here)
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"there is no {path}") from error
    except OSError as error:
        told = "no folder; links are not followed" if error.errno == errno.ENOTDIR else error.strerror
        raise SourceError(f"{path} cannot be entered ({told})") from error
    os.close(here)
    return below


def _make_folder(here: int, name: str, path: str) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=here)
        os.fsync(here)
    except FileExistsError:
        return
    except OSError as error:
        raise _unwritten(f"the folder {path} cannot be made", error) from error


def _unwritten(message: str, error: OSError) -> OutputError:
    told = OutputError(f"{message} ({error.strerror})")
    # A transfer waits for room where there is none, and ends for every other reason.
    told.errno = error.errno
    return told


def _found(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _look(folder: int, name: str, path: str) -> os.stat_result:
    if found := _found(folder, name):
        return found
    raise SourceNotFoundError(f"there is no {path}")


def _is_same(folder: int, name: str, other: str) -> bool:
    first, second = _found(folder, name), _found(folder, other)
    return first is not None and second is not None and os.path.samestat(first, second)


def _opened(folder: int, name: str, path: str, flags: int) -> BinaryIO:
    try:
        descriptor = os.open(name, flags | _FILE, 0o644, dir_fd=folder)
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"there is no {path}") from error
    except OSError as error:
        if flags & os.O_RDWR:
            raise _unwritten(f"{path} cannot be written", error) from error
        raise SourceError(f"{path} cannot be opened ({error.strerror})") from error
    stream = os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "rb", buffering=0)
    try:
        # What was looked at before may have been exchanged since.
        _check_plain(os.fstat(descriptor), path)
    except SourceError:
        stream.close()
        raise
    return stream


def _check_plain(found: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"{path} is a {kind_of(found.st_mode)}, no plain file")


def kind_of(mode: int) -> str:
    """Give the word for what a file's mode says it is: file, folder, link, or device for all the rest.

    >>> kind_of(Path("/dev/null").stat().st_mode)
    'device'
    """
    for is_kind, word in ((stat.S_ISREG, "file"), (stat.S_ISDIR, "folder"), (stat.S_ISLNK, "link")):
        if is_kind(mode):
            return word
    return "device"


def _give_name(folder: int, part: str, name: str, *, replace: bool) -> None:
    # After a crash it may have both names already, and to rename one to the other does nothing.
    if not _is_same(folder, part, name) and (replace or not _linked(folder, part, name)):
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        os.unlink(part, dir_fd=folder)


def _linked(folder: int, part: str, name: str) -> bool:
    """Give a part its second name, never in a file's place as a rename; False where the disk knows no such names."""
    try:
        os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if _found(folder, name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from error
        return False
    return True


def _part_name(label: str) -> str:
    return f".{label}.part"
