import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import CommandRefusedError, MessageVersionError, RemoteProtocolError
from heliograph.link.command import Command
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode, encode
from heliograph.link.presence import Challenge
from heliograph.link.signature import Signed, prove_rotation, proves_rotation, sign, unseal

KEY = PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = PrivateKey.generate()
NOTE = Challenge(nonce=b"\x01\x02")


class Twin(Challenge, frozen=True, kw_only=True):
    """Has the very fields of a challenge, and another kind."""

    KIND = "twin"


def test_a_signed_message_comes_out_with_its_signer() -> None:
    assert unseal(sign(NOTE, KEY), Challenge) == (KEY.public, NOTE)


def test_what_is_signed_never_changes() -> None:
    """A node and a ground of different ages must agree: these bytes are what every version signs and takes."""
    body = bytes.fromhex("93a96368616c6c656e67650181a56e6f6e6365c4020102")
    signature = KEY.sign(b"heliograph message 1\0challenge\0" + body)
    assert sign(NOTE, KEY) == encode(Signed(key=KEY.public.raw, body=body, signature=signature))


def test_an_unsigned_message_is_refused_as_that() -> None:
    with pytest.raises(CommandRefusedError, match="unsigned: a challenge"):
        unseal(encode(NOTE), Challenge)


@given(st.data())
def test_one_wrong_bit_anywhere_is_refused(data: st.DataObject) -> None:
    wrong = bytearray(sign(NOTE, KEY))
    place = data.draw(st.integers(0, 8 * len(wrong) - 1))
    wrong[place // 8] ^= 1 << place % 8
    with pytest.raises((CommandRefusedError, RemoteProtocolError)):
        unseal(bytes(wrong), Challenge)


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        unseal(data, Command)


@pytest.mark.parametrize(
    "key", [b"", b"short", OTHER.public.raw, b"\xff" * 32], ids=["none", "short", "other", "no point"]
)
def test_a_key_that_did_not_sign_is_refused(key: bytes) -> None:
    signed = decode(sign(NOTE, KEY), Signed)
    forged = encode(Signed(key=key, body=signed.body, signature=signed.signature))
    with pytest.raises(CommandRefusedError, match="does not fit"):
        unseal(forged, Challenge)


def test_a_signature_over_another_kind_never_fits() -> None:
    # As an attacker would, who has a signed twin and wants it taken for a challenge.
    signed = decode(sign(Twin(nonce=b"1"), KEY), Signed)
    forged = encode(Signed(key=signed.key, body=encode(Challenge(nonce=b"1")), signature=signed.signature))
    for data in (forged, encode(signed)):
        with pytest.raises(CommandRefusedError, match="does not fit"):
            unseal(data, Challenge)


def test_a_bare_signature_of_the_key_never_fits() -> None:
    body = encode(NOTE)
    with pytest.raises(CommandRefusedError, match="does not fit"):
        unseal(encode(Signed(key=KEY.public.raw, body=body, signature=KEY.sign(body))), Challenge)


def test_a_signed_message_of_a_newer_version_says_so() -> None:
    class Newer(Challenge, frozen=True, kw_only=True):
        VERSION = 2

    with pytest.raises(MessageVersionError, match="version 2"):
        unseal(sign(Newer(nonce=b"1"), KEY), Challenge)
    envelope = msgspec.msgpack.encode(["signed", 2, {}])
    with pytest.raises(MessageVersionError, match="version 2"):
        unseal(envelope, Challenge)


def test_the_proof_of_a_rotation_is_for_these_two_keys() -> None:
    third = PrivateKey.generate().public
    proof = prove_rotation(KEY.public, OTHER)
    assert proves_rotation(proof, KEY.public, OTHER.public)
    assert not proves_rotation(proof, third, OTHER.public)
    assert not proves_rotation(proof, KEY.public, third)
    assert not proves_rotation(prove_rotation(OTHER.public, KEY), KEY.public, OTHER.public)


@given(st.text())
def test_any_other_text_is_no_proof(text: str) -> None:
    assert not proves_rotation(text, KEY.public, OTHER.public)
