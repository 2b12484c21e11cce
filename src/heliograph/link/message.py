"""The codec: a message is MessagePack of [kind, version, fields]; a newer version is refused with a clear reason."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import msgspec

from heliograph.core import MessageVersionError, RemoteProtocolError


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Anything that travels; a field that is added has a default, any other change is a new `VERSION`."""

    KIND: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1


M = TypeVar("M", bound=Message)


class _Envelope(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    version: int
    fields: msgspec.Raw


_encoder = msgspec.msgpack.Encoder()
_envelope = msgspec.msgpack.Decoder(_Envelope)
_decoders: dict[type[Message], msgspec.msgpack.Decoder[Any]] = {}


def encode(message: Message) -> bytes:
    """Give the bytes of a message.

    >>> class Note(Message):
    ...     KIND = "note"
    ...     text: str
    >>> decode(encode(Note(text="hello")), Note).text
    'hello'
    """
    return _encoder.encode((message.KIND, message.VERSION, message))


def decode(data: bytes, kind: type[M]) -> M:
    """Give the message that bytes stand for; fields that this program does not know are left out.

    Raises `RemoteProtocolError` for bytes that are no such message, `MessageVersionError` for a newer version.
    """
    try:
        envelope = _envelope.decode(data)
        if envelope.kind != kind.KIND:
            raise RemoteProtocolError(f"a message of kind {envelope.kind[:40]!r} came where {kind.KIND!r} belongs")
        if envelope.version > kind.VERSION:
            raise MessageVersionError(
                f"{kind.KIND!r} came in version {envelope.version}, this program knows {kind.VERSION}: "
                "bring heliograph up to date at this end"
            )
        if envelope.version < 1:
            raise RemoteProtocolError(f"{kind.KIND!r} came in version {envelope.version}, which there never was")
        decoder = _decoders.get(kind)
        if decoder is None:
            decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
        message: M = decoder.decode(envelope.fields)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RemoteProtocolError(f"{kind.KIND!r} came in bytes that are no such message ({error})") from error
    except RecursionError as error:
        raise RemoteProtocolError(f"{kind.KIND!r} came nested too deeply") from error
    return message
