"""Letters over TLS, from the first byte or after STARTTLS: whose certificate, and how it ends."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.utils import timezone

from events import mail, smtp
from events.models import Mail
from tests import make
from tests.events.smtp_server import DRIP, SILENCE, Server, smtp_server
from tests.gateway.certificates import sign

pytestmark = pytest.mark.django_db

URLS = {"smtps": "smtps://localhost:{port}", "starttls": "smtp://localhost:{port}?starttls=true"}


@contextmanager
def server_of(
    name: str, directory: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """Its certificate is for ``name``, by an authority that this process trusts."""
    authority = sign("authority.example")
    signed = sign(name, authority)
    (directory / "ca.pem").write_bytes(authority.pem())
    (directory / "both.pem").write_bytes(signed.secret_pem() + signed.pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(directory / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "both.pem")
    with smtp_server(URLS[way], context) as server:
        yield server


@pytest.fixture
def letter() -> Mail:
    make.member("alice")
    return Mail.objects.get()


def send() -> Mail:
    mail.send_due(timezone.now(), most=1)
    return Mail.objects.get()


@pytest.mark.parametrize("way", URLS)
def test_a_letter_goes_to_whom_the_certificate_names(
    way: str, letter: Mail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_of("localhost", tmp_path, way, monkeypatch) as server:
        assert send().sent_at is not None

    assert len(server.taken) == 1
    assert ("STAR" in server.verbs) == (way == "starttls")


@pytest.mark.parametrize("way", URLS)
def test_nothing_goes_to_whom_it_does_not_name(
    way: str, letter: Mail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_of("other.example", tmp_path, way, monkeypatch) as server:
        row = send()

    assert (row.sent_at, row.failed_at, row.last_error) == (None, None, "SSLCertVerificationError")
    assert server.taken == []
    assert "MAIL" not in server.verbs


@pytest.mark.parametrize("way", URLS)
@pytest.mark.parametrize(("verb", "how"), [("RCPT", DRIP), ("END", SILENCE)])
def test_the_time_of_a_letter_ends_within_tls_too(
    way: str, verb: str, how: str, letter: Mail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "CONVERSATION_SECONDS", 1.0)
    with server_of("localhost", tmp_path, way, monkeypatch) as server:
        server.answers[verb] = how
        row = send()

    assert (row.sent_at, row.failed_at, row.last_error) == (None, None, "SMTPServerDisconnected")
