"""Certificates for tests: of an authority, of hosts it signed for, of nobody."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Signed(NamedTuple):
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def secret_pem(self) -> bytes:
        plain = serialization.NoEncryption()
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
        )


def sign(name: str, by: Signed | None = None, *, ends: datetime = NOW + DAY) -> Signed:
    """A certificate for a host; without ``by`` one that signs itself, as authorities do."""
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).public_key(secret.public_key())
    builder = builder.issuer_name(by.certificate.subject if by else subject)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW - 9 * DAY).not_valid_after(ends)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=by is None, path_length=None), True)
    return Signed(secret, builder.sign(by.key if by else secret, hashes.SHA256()))
