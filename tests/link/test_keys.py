"""Keys, with OpenSSH as the witness."""

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import OutputError, SettingError, SourceError, SourceNotFoundError
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.testing.peers import require

# RFC 8032 section 7.1, test 2.
SECRET_PUBLIC = PublicKey.parse("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def keygen(*words: str) -> str:
    ended = subprocess.run([require("ssh-keygen"), *words], capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def test_a_signature_of_the_standard_fits() -> None:
    assert SECRET_PUBLIC.verify(SIGNATURE, b"\x72")
    assert not SECRET_PUBLIC.verify(SIGNATURE, b"\x73")
    assert not SECRET_PUBLIC.verify(SIGNATURE[:-1], b"\x72")
    assert not SECRET_PUBLIC.verify(b"", b"\x72")


def test_a_key_is_read_as_it_was_written(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    key.write(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert PrivateKey.read(tmp_path / "key").public == key.public


def test_openssh_reads_our_key(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    key.write(tmp_path / "key")
    assert keygen("-y", "-f", str(tmp_path / "key")).split()[:2] == key.public.text().split()


def test_a_key_of_openssh_is_read(tmp_path: Path) -> None:
    keygen("-q", "-t", "ed25519", "-N", "", "-C", "ada at the desk", "-f", str(tmp_path / "key"))
    line = (tmp_path / "key.pub").read_text(encoding="utf-8").strip()
    public = PublicKey.parse(line)
    assert PrivateKey.read(tmp_path / "key").public == public
    assert public.text("ada at the desk") == line


def test_a_signature_of_openssh_s_key_fits(tmp_path: Path) -> None:
    keygen("-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key"))
    key = PrivateKey.read(tmp_path / "key")
    assert key.public.verify(key.sign(b"hello"), b"hello")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("-t", "ed25519", "-N", "secret"), "has a passphrase: ssh-keygen -p"),
        (("-t", "ecdsa", "-N", ""), "is no Ed25519 key"),
    ],
)
def test_other_keys_of_openssh_are_refused(tmp_path: Path, words: tuple[str, ...], reason: str) -> None:
    keygen("-q", *words, "-f", str(tmp_path / "key"))
    with pytest.raises(SourceError, match=reason):
        PrivateKey.read(tmp_path / "key")


def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "my key"
    PrivateKey.generate().write(path)
    path.chmod(0o640)
    with pytest.raises(SettingError, match=f"chmod 600 '{path}'"):
        PrivateKey.read(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", b"\xff" * 100])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SourceError, match="is no OpenSSH private key"):
        PrivateKey.read(path)


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="heliograph key new --file"):
        PrivateKey.read(tmp_path / "key")


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        PrivateKey.read(tmp_path)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("mine")
    with pytest.raises(OutputError, match="never overwritten"):
        PrivateKey.generate().write(path)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="never overwritten"):
        PrivateKey.generate().write(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_that_cannot_be_kept_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        PrivateKey.generate().write(tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


def test_the_private_key_is_not_shown() -> None:
    assert "key" not in repr(PrivateKey.generate()).lower().replace("privatekey", "")


@given(st.binary(min_size=32, max_size=32), st.text(st.characters(categories=["L", "N", "Zs"]), max_size=20))
def test_a_public_key_is_parsed_as_it_was_written(raw: bytes, comment: str) -> None:
    key = PublicKey(raw)
    assert PublicKey.parse(key.text(comment)) == PublicKey.parse(key.hex.upper()) == key
    assert key.hex.startswith(key.short)
    assert len(key.short) == 16


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        "ssh-ed25519 ZZZZC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        "ssh-ed25519 äöü",
        "ab" * 31,
        "\u0660" * 64,
    ],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="no public key"):
        PublicKey.parse(text)


def weak_keys() -> list[PublicKey]:
    """Give every encoding of a point of small order, which RFC 8032 section 5.1.7 leaves to whoever verifies."""
    prime, eighth = (
        2**255 - 19,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    )
    heights = (0, 1, prime - 1, prime, prime + 1, eighth, prime - eighth)
    return [PublicKey((height | sign << 255).to_bytes(32, "little")) for height in heights for sign in (0, 1)]


@pytest.mark.parametrize("key", weak_keys(), ids=lambda key: key.short)
def test_nobody_signs_for_a_key_that_everybody_could_sign_for(key: PublicKey) -> None:
    forged = bytes([1]) + bytes(63)
    fitting = []
    for number in range(100):
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(forged, bytes([number]))
        except InvalidSignature:
            continue
        fitting.append(bytes([number]))
    # The library takes what nobody signed.
    assert fitting
    assert not any(key.verify(forged, each) for each in fitting)


@given(st.text())
def test_any_text_is_a_key_or_refused(text: str) -> None:
    for line in (text, f"ssh-ed25519 {text}"):
        with pytest.raises(SettingError):
            PublicKey.parse(line)
