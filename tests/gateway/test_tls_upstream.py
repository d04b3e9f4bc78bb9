"""Upstreams over TLS: verified unless staff said otherwise; a bad certificate is unreachable."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, tcp_server, within


def certificate(directory: Path) -> ssl.SSLContext:
    """One that nobody signed but itself."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream.test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(secret.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    made = builder.sign(secret, hashes.SHA256())
    file = directory / "upstream.pem"
    file.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.fixture
def secure(directory: Path) -> Iterator[Server]:
    server = tcp_server(certificate(directory))
    yield server
    server.stop()


def test_a_certificate_is_verified_unless_staff_said_otherwise(
    gateway: Gateway, database: Database, secure: Server
) -> None:
    base = f"https://127.0.0.1:{secure.port}"
    with database.rows():
        make.upstream("verified", base)
        make.upstream("trusting", base, tls_verify=False)
    secret = database.key_for("tls", "verified trusting")
    ask = request("POST", "/proxy/trusting/x", secret, body=b"hello" * 50_000)

    # Both processes must have read the new rows; the kernel spreads connections over them.
    assert within(9, lambda: all(status(gateway, secret) == 200 for _ in range(8)))
    assert gateway.ask(ask).body.endswith(b"\r\n\r\n" + b"hello" * 50_000)
    refused = gateway.get("/proxy/verified/", secret)
    assert refused.status == 502
    assert b'"upstream_unreachable"' in refused.body


def status(gateway: Gateway, secret: str) -> int:
    return gateway.get("/proxy/trusting/", secret).status
