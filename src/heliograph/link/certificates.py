"""Certificates of the link, looked at before Zenoh does, which does not say what is wrong with which file."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from heliograph.core import SettingError
from heliograph.link.settings import TlsSettings


def check_certificates(tls: TlsSettings) -> None:
    """Raise `SettingError` for a file that cannot be read or is no certificate, or for a key that is another's."""
    _certificates(tls.ca)
    if not tls.certificate:
        return
    own = _certificates(tls.certificate)[0]
    content = _content(tls.key)
    try:
        key = load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingError(f"{tls.key} is no private key in PEM without a password") from error
    if key.public_key() != own.public_key():
        raise SettingError(f"{tls.key} is not the private key of the certificate {tls.certificate}")


def _certificates(path: str) -> list[Certificate]:
    content = _content(path)
    try:
        return load_pem_x509_certificates(content)
    except ValueError as error:
        raise SettingError(f"{path} is no certificate in PEM") from error


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingError(f"{path} cannot be read ({error.strerror}): check the certificates of the link") from error
