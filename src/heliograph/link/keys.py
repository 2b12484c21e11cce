"""Ed25519 keys: who a node is, and who may command it; kept in OpenSSH's formats, so that `ssh-keygen` knows them."""

from __future__ import annotations

import binascii
import contextlib
import os
import re
import shlex
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from heliograph.core import OutputError, SettingError, SourceError, SourceNotFoundError
from heliograph.core.atomic import sync_folder

_KEY_TYPE = "ssh-ed25519"
# RFC 4253 section 6.6 and RFC 8709: the name of the algorithm and the key, each after its length.
_BLOB_HEAD = len(_KEY_TYPE).to_bytes(4, "big") + _KEY_TYPE.encode() + (32).to_bytes(4, "big")
_LARGEST_BYTES = 16_384
# The y of the points of small order: anybody can make signatures that fit such a key, all zeros among them.
_PRIME = 2**255 - 19
_ORDER_EIGHT = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_WEAK = frozenset((0, 1, _PRIME - 1, _PRIME, _PRIME + 1, _ORDER_EIGHT, _PRIME - _ORDER_EIGHT))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: 32 bytes.

    >>> key = PublicKey(bytes(range(32)))
    >>> key.short
    '0001020304050607'
    >>> PublicKey.parse(key.text("me")) == key
    True

    Raises `SettingError` for bytes that can be no key.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise SettingError(f"an Ed25519 key has 32 bytes, not {len(self.raw)}")

    @staticmethod
    def parse(text: str) -> PublicKey:
        """Give the key that `ssh-ed25519 AAAA… comment` stands for, or 64 hexadecimal digits.

        Raises `SettingError`.
        """
        words = text.split()
        if len(words) == 1 and re.fullmatch("[0-9a-fA-F]{64}", words[0]):
            return PublicKey(bytes.fromhex(words[0]))
        if len(words) >= 2 and words[0] == _KEY_TYPE:
            with contextlib.suppress(binascii.Error, ValueError):
                blob = binascii.a2b_base64(words[1], strict_mode=True)
                if blob.startswith(_BLOB_HEAD) and len(blob) == len(_BLOB_HEAD) + 32:
                    return PublicKey(blob[len(_BLOB_HEAD) :])
        told = text if len(text) <= 40 else f"{text[:40]}…"
        raise SettingError(
            f"{told!r} is no public key: give the line that heliograph key show prints (ssh-ed25519 AAAA…)"
        )

    @property
    def hex(self) -> str:
        """The whole key in 64 hexadecimal digits."""
        return self.raw.hex()

    @property
    def short(self) -> str:
        """The first 16 hexadecimal digits: a node's id on the bus."""
        return self.hex[:16]

    def text(self, comment: str = "") -> str:
        """Give the line that OpenSSH has for it."""
        line = f"{_KEY_TYPE} {binascii.b2a_base64(_BLOB_HEAD + self.raw, newline=False).decode()}"
        return f"{line} {comment}" if comment else line

    @property
    def weak(self) -> bool:
        """Whether anybody could sign for it, as for the key of zeros: it proves nothing, and no signature fits it."""
        return int.from_bytes(self.raw, "little") & (1 << 255) - 1 in _WEAK

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Tell whether this key's owner signed these bytes."""
        if self.weak:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key, which signs.

    >>> key = PrivateKey.generate()
    >>> key.public.verify(key.sign(b"hello"), b"hello")
    True
    """

    _key: Ed25519PrivateKey = field(repr=False)

    @staticmethod
    def generate() -> PrivateKey:
        """Draw a new key at random."""
        return PrivateKey(Ed25519PrivateKey.generate())

    @staticmethod
    def read(path: Path) -> PrivateKey:
        """Read a key as `ssh-keygen -t ed25519` and `write` leave it.

        Raises `SourceNotFoundError` when there is none, `SettingError` when others can read it, and `SourceError` when
        it is something else.
        """
        try:
            with path.open("rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                content = stream.read(_LARGEST_BYTES)
        except FileNotFoundError as error:
            raise SourceNotFoundError(
                f"no key at {path}: make one with heliograph key new --file {_quoted(path)}"
            ) from error
        except OSError as error:
            raise SourceError(f"the key {path} cannot be read ({error.strerror}): check its path and owner") from error
        if stat.S_IMODE(mode) & 0o077:
            raise SettingError(f"others can read the key {path}: chmod 600 {_quoted(path)}")
        return PrivateKey(_parsed(content, path))

    def write(self, path: Path) -> None:
        """Write a new file that only its owner can read. Raises `OutputError`, also when there is a file already."""
        content = self._key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise OutputError(f"{path} is there already and a key is never overwritten: choose another file") from error
        except OSError as error:
            raise OutputError(f"the key {path} cannot be written ({error.strerror})") from error
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123, a path knows no O_EXCL with a mode
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise OutputError(f"the key {path} cannot be written ({error.strerror})") from error

    @property
    def public(self) -> PublicKey:
        """The key that others know."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """Give the signature of bytes, 64 bytes. What is signed must say what it is for: see `link.signature`."""
        return self._key.sign(data)


def _parsed(content: bytes, path: Path) -> Ed25519PrivateKey:
    try:
        key = load_ssh_private_key(content, password=None)
    except TypeError as error:
        raise SourceError(
            f"the key {path} has a passphrase: ssh-keygen -p -N '' -f {_quoted(path)} takes it off"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SourceError(f"{path} is no OpenSSH private key: make one with heliograph key new") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SourceError(f"the key {path} is no Ed25519 key: make one with heliograph key new")
    return key


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
