import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heliograph.core import SettingError
from heliograph.link.certificates import check_certificates
from heliograph.link.settings import LinkSettings, TlsSettings
from heliograph.link.zenoh import open_bus


def write(folder: Path, name: str) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(private)
    return str(folder / f"{name}.pem"), str(folder / f"{name}.key")


def test_what_fits_together_is_taken(tmp_path: Path) -> None:
    certificate, key = write(tmp_path, "own")
    check_certificates(TlsSettings(ca=certificate))
    check_certificates(TlsSettings(ca=certificate, certificate=certificate, key=key))


def test_each_wrong_file_is_named(tmp_path: Path) -> None:
    certificate, key = write(tmp_path, "own")
    _, other_key = write(tmp_path, "other")
    (tmp_path / "empty").write_text("")
    for wrong, told in (
        (TlsSettings(ca=f"{tmp_path}/missing"), "missing cannot be read"),
        (TlsSettings(ca=str(tmp_path)), "cannot be read"),
        (TlsSettings(ca=key), "own.key is no certificate"),
        (TlsSettings(ca=certificate, certificate=f"{tmp_path}/empty", key=key), "empty is no certificate"),
        (TlsSettings(ca=certificate, certificate=certificate, key=certificate), "own.pem is no private key"),
        (TlsSettings(ca=certificate, certificate=certificate, key=other_key), "other.key is not the private key"),
    ):
        with pytest.raises(SettingError, match=told):
            check_certificates(wrong)


def test_they_are_looked_at_before_the_link_is_opened(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="missing cannot be read"):
        open_bus(LinkSettings(tls=TlsSettings(ca=f"{tmp_path}/missing")))
