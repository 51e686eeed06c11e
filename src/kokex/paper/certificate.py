"""A self-signed certificate for localhost, made once and kept in a folder that tests can trust."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kokex.domain.errors import ConfigurationError

CERTIFICATE_NAME = "paper-exchange.crt"
_KEY_NAME = "paper-exchange.key"
_VALID = timedelta(days=3650)


def ensure_certificate(folder: Path) -> Path:
    """Make the certificate and its key in `folder` unless they are there; returns the certificate's path.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    certificate, key = folder / CERTIFICATE_NAME, folder / _KEY_NAME
    if certificate.is_file() and key.is_file():
        return certificate
    private_key = ec.generate_private_key(ec.SECP256R1())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        key.touch(mode=0o600)
        key.write_bytes(
            private_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        certificate.write_bytes(_self_signed(private_key).public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise ConfigurationError(f"cannot write a certificate into {folder}: {error.strerror}") from error
    return certificate


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS settings of the server."""
    certificate = ensure_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, folder / _KEY_NAME)
    return context


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "KOKEX paper exchange")])
    now = datetime.now(UTC)
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ip_address("127.0.0.1")),
        x509.IPAddress(ip_address("::1")),
    ]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
