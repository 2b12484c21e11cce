"""Signed messages: who says it, what it is, and that nobody changed it."""

from __future__ import annotations

from heliograph.core import CommandRefusedError, RemoteProtocolError
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.message import M, Message, decode, encode

# What a key signs begins with what the signature is for, so that it fits nothing else.
_MESSAGE = b"heliograph message 1\0"
_ROTATION = b"heliograph key rotation 1\0"


class Signed(Message, frozen=True, kw_only=True):
    """A message in its bytes, and the signature of them."""

    KIND = "signed"

    key: bytes
    """Public key, 32 bytes."""
    body: bytes
    """The message as `encode` gives it."""
    signature: bytes
    """Ed25519 over the purpose, the kind and the body, 64 bytes."""


def sign(message: Message, key: PrivateKey) -> bytes:
    """Give the bytes of a message with its signature.

    >>> from heliograph.link.presence import Challenge
    >>> key = PrivateKey.generate()
    >>> signer, message = unseal(sign(Challenge(nonce=b"1"), key), Challenge)
    >>> signer == key.public, message.nonce
    (True, b'1')
    """
    body = encode(message)
    return encode(Signed(key=key.public.raw, body=body, signature=key.sign(_signed_bytes(message.KIND, body))))


def unseal(data: bytes, kind: type[M]) -> tuple[PublicKey, M]:
    """Give who signed a message of this kind, and the message; whether he is trusted is another question.

    Raises `CommandRefusedError` for one that is unsigned or whose signature does not fit, `RemoteProtocolError` for
    bytes that are no message, `MessageVersionError` for a newer version.
    """
    try:
        signed = decode(data, Signed)
    except RemoteProtocolError:
        if _is_plain(data, kind):
            raise CommandRefusedError(f"unsigned: a {kind.KIND} is taken only with a signature") from None
        raise
    if len(signed.key) != 32 or not PublicKey(signed.key).verify(
        signed.signature, _signed_bytes(kind.KIND, signed.body)
    ):
        raise CommandRefusedError(f"the signature of the {kind.KIND} does not fit: it was changed, or made for another")
    return PublicKey(signed.key), decode(signed.body, kind)


def prove_rotation(old: PublicKey, new: PrivateKey) -> str:
    """Give the proof that the owner of the old key also holds the new one, in hexadecimal digits."""
    return new.sign(_ROTATION + old.raw + new.public.raw).hex()


def proves_rotation(proof: str, old: PublicKey, new: PublicKey) -> bool:
    """Tell whether a proof is the new key's, for this old key."""
    try:
        signature = bytes.fromhex(proof)
    except ValueError:
        return False
    return new.verify(signature, _ROTATION + old.raw + new.raw)


def _signed_bytes(kind: str, body: bytes) -> bytes:
    return _MESSAGE + kind.encode() + b"\0" + body


def _is_plain(data: bytes, kind: type[M]) -> bool:
    try:
        decode(data, kind)
    except RemoteProtocolError:
        return False
    return True
