"""The link over TLS, with certificates of two authorities that are made here."""

import datetime
import ipaddress
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heliograph.core import LinkLostError
from heliograph.link.settings import LinkSettings, TlsSettings
from heliograph.link.zenoh import ZenohBus, open_bus
from heliograph.testing.addresses import loopback_address
from heliograph.testing.bus import settle

NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = str(folder / f"{name}.pem")
        own = self._builder(self._name, self._key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
        self._write(self.file, own.sign(self._key, hashes.SHA256()))

    def settings(self, name: str, address: str, ca: "Authority", mutual: bool = True) -> TlsSettings:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate, private = str(self._folder / f"{name}.pem"), self._folder / f"{name}.key"
        self._write(
            certificate,
            self._builder(subject, key.public_key()).add_extension(names, False).sign(self._key, hashes.SHA256()),
        )
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return TlsSettings(ca=ca.file, certificate=certificate, key=str(private), mutual=mutual)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        day = datetime.timedelta(days=1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - day)
            .not_valid_after(NOW + day)
        )

    def _write(self, file: str, certificate: x509.Certificate) -> None:
        Path(file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def others(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "others")


@pytest.fixture
def address() -> Iterator[str]:
    with loopback_address() as own:
        yield own


def a_board(address: str, tls: TlsSettings) -> ZenohBus:
    return open_bus(LinkSettings(listen=(f"tls/{address}:7447",), tls=tls))


def a_ground(address: str, tls: TlsSettings, protocol: str = "tls") -> ZenohBus:
    connect = (f"{protocol}/{address}:7447",)
    return open_bus(LinkSettings(mode="router", listen=(), connect=connect, tls=tls), wait_s=1.0)


def talks(ground: ZenohBus, board: ZenohBus) -> bool:
    board.answer("heliograph/n/hello", lambda _, question: [question])
    settle([ground, board])
    return ground.ask("heliograph/n/hello", b"1") == [("heliograph/n/hello", b"1")]


def test_both_with_certificates_of_one_authority_talk(address: str, ours: Authority) -> None:
    with (
        closing(a_board(address, ours.settings("board", address, ours))) as board,
        closing(a_ground(address, ours.settings("ground", "127.0.0.1", ours))) as ground,
    ):
        assert talks(ground, board)


def test_without_mutual_the_ground_needs_no_certificate(address: str, ours: Authority) -> None:
    with (
        closing(a_board(address, ours.settings("board", address, ours, mutual=False))) as board,
        closing(a_ground(address, TlsSettings(ca=ours.file))) as ground,
    ):
        assert talks(ground, board)


def test_who_has_no_certificate_is_refused(address: str, ours: Authority) -> None:
    with closing(a_board(address, ours.settings("board", address, ours))) as board:
        with pytest.raises(LinkLostError, match="certificates fit"):
            a_ground(address, TlsSettings(ca=ours.file))
        assert not board.connected.is_set()


def test_a_certificate_of_another_authority_is_refused(address: str, ours: Authority, others: Authority) -> None:
    with closing(a_board(address, ours.settings("board", address, ours))) as board:
        with pytest.raises(LinkLostError, match="certificates fit"):
            a_ground(address, others.settings("ground", "127.0.0.1", ours))
        assert not board.connected.is_set()


def test_a_board_of_another_authority_is_not_believed(address: str, ours: Authority, others: Authority) -> None:
    board = a_board(address, others.settings("board", address, ours))
    with closing(board), pytest.raises(LinkLostError, match="certificates fit"):
        a_ground(address, ours.settings("ground", "127.0.0.1", ours))


def test_a_board_whose_certificate_is_for_another_address_is_not_believed(address: str, ours: Authority) -> None:
    board = a_board(address, ours.settings("board", "127.0.0.77", ours))
    with closing(board), pytest.raises(LinkLostError, match="certificates fit"):
        a_ground(address, ours.settings("ground", "127.0.0.1", ours))


def test_plain_words_are_not_understood_at_a_tls_port(address: str, ours: Authority) -> None:
    with closing(a_board(address, ours.settings("board", address, ours))) as board:
        with pytest.raises(LinkLostError, match="nobody answers"):
            a_ground(address, ours.settings("ground", "127.0.0.1", ours), protocol="tcp")
        assert not board.connected.is_set()
