"""A small certificate authority for trying TLS; production has its own."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from epicops.private_file import write_private

CA_DAYS = 3650
SIGNS = x509.KeyUsage(  # RFC 5280, 4.2.1.3; Python 3.13's clients trust no CA that does not say so
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA whose certificate and key are `ca.crt` and `ca.key` in `directory`."""

    directory: Path

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def key(self) -> Path:
        return self.directory / "ca.key"

    def create(self, name: str) -> None:
        """Make the CA unless it is there already."""
        if self.key.exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = (
            _certificate(subject, key.public_key(), CA_DAYS)
            .issuer_name(subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(SIGNS, critical=True)
        )
        _write((self.certificate, self.key), builder.sign(key, hashes.SHA256()), key)

    def issue(self, name: str, hosts: Sequence[str] = (), *, days: int = 90) -> tuple[Path, Path]:
        """Write a new `<name>.crt` and `<name>.key`, valid for `days` and for the given names and addresses.

        Servers of Redis are clients of each other, so that one certificate serves for both sides.
        """
        issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        signer = cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(self.key.read_bytes(), None))
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _certificate(_name(name), key.public_key(), days)
            .issuer_name(issuer.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            # RFC 5280, 4.2.1.1: tells a CA from its successor of the same name while both are trusted.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        files = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        _write(files, builder.sign(signer, hashes.SHA256()), key)
        return files


def _certificate(subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(files: tuple[Path, Path], certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    certificate_file, key_file = files
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(key_file, secret.decode())
    certificate_file.write_bytes(certificate.public_bytes(pem))
