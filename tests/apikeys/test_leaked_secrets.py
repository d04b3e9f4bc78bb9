"""Which texts are known as a key's secret, in whatever state the key is, and what becomes of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.db import connection
from django.utils import timezone

from accounts.models import Status, User
from apikeys.models import ApiKey, ForeignSecret, Leak
from apikeys.services.leaks import Proven, Report, find_key, take_leak
from events import mail
from events.models import Event, Mail
from tests import make
from tests.apikeys.calls import client, code, end_grace
from tests.apikeys.leaking import given, minted
from tests.apikeys.stored import CHEAP, SECRET, argon2id, imported, older_pepper

pytestmark = pytest.mark.django_db
REPORT = Report("github", "commit", "https://github.com/a/b/blob/main/c")


@pytest.fixture(autouse=True)
def policy(settings: Any) -> None:
    settings.LEAKS = given()


def take(secret: str, report: Report = REPORT) -> str:
    proven = find_key(secret)
    return take_leak(proven, report, secret=secret, actor="test").value if proven else ""


def rotated(**body: Any) -> tuple[ApiKey, str, str]:
    """The key, its old secret and its new one."""
    issued = make.key()
    answer = client(issued.secret).post(f"/api/v1/me/keys/{issued.key.pk}/rotate", body)
    return issued.key, issued.secret, answer.json()["api_key"]


def test_an_old_secret_in_its_grace_ends_the_whole_key() -> None:
    """Whoever had it could have rotated the key: the new secret may be theirs."""
    _, old, new = rotated()

    assert take(old) == "quarantined"
    assert [code(secret) for secret in (old, new)] == ["key_quarantined"] * 2


def test_an_old_secret_after_its_grace_ends_nothing_and_is_known() -> None:
    key, old, new = rotated()
    end_grace(key)

    assert find_key(old) == Proven(key.pk, opens=False)
    assert take(old) == "ended"
    assert code(new) == ""
    assert Event.objects.filter(kind="apikey:leaked").count() == 1
    assert not Mail.objects.filter(template="key_leaked").exists()


@pytest.mark.parametrize("field", ["disabled_at", "expires_at"])
def test_a_key_that_could_come_back_is_ended(field: str) -> None:
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(**{field: timezone.now() - timedelta(days=1)})

    assert take(issued.secret) == "quarantined"


@pytest.mark.parametrize("field", ["revoked_at", "quarantined_at"])
def test_a_key_that_has_ended_stays_as_it_is(field: str) -> None:
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(**{field: timezone.now()})

    assert take(issued.secret) == "ended"
    assert not Mail.objects.filter(template="key_leaked").exists()


@pytest.mark.parametrize("stored", ["sha256", "argon2id"])
def test_imported_secrets_are_known(stored: str) -> None:
    key = imported(digest=argon2id(SECRET, CHEAP) if stored == "argon2id" else None)

    assert take(SECRET) == "quarantined"
    key.refresh_from_db()
    assert key.quarantined_at is not None
    assert take(f"{SECRET}x") == ""


def test_an_imported_secret_that_ended_is_nobodys() -> None:
    imported()
    ForeignSecret.objects.update(ends_at=timezone.now() - timedelta(days=1))

    assert find_key(SECRET) is None


def test_digests_of_other_hashers_and_peppers_are_compared(settings: Any, monkeypatch: Any) -> None:
    slow, old = make.key(), make.key(make.member("bob"))
    ApiKey.objects.filter(pk=slow.key.pk).update(digest=argon2id(slow.secret, CHEAP))
    peppers, digest = older_pepper(old.secret)
    ApiKey.objects.filter(pk=old.key.pk).update(digest=digest)
    monkeypatch.setattr("apikeys.services.gate.peppers", lambda: peppers)

    assert find_key(slow.secret) == Proven(slow.key.pk)
    assert find_key(old.secret) == Proven(old.key.pk)
    stored = ApiKey.objects.values_list("digest", flat=True).get(pk=old.key.pk)
    assert stored == digest  # nothing is stored anew for what leaked


def test_a_damaged_digest_is_no_proof() -> None:
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(digest="garbage")

    assert find_key(issued.secret) is None


@pytest.mark.parametrize("status", [Status.PENDING, Status.DELETED])
def test_nothing_goes_to_an_address_that_may_be_another_s(status: Status) -> None:
    issued = make.key()
    User.objects.update(status=status)

    assert take(issued.secret) == "quarantined"
    assert not Mail.objects.filter(template="key_leaked").exists()


@pytest.mark.parametrize(("locale", "word"), [("en_US", "found in public"), ("zh_TW", "外洩")])
def test_the_letter_names_the_key_and_the_place_and_no_secret(locale: str, word: str) -> None:
    issued = make.key(make.member("<b>eve</b>", email="eve@example.org"), name="<i>key</i>")
    User.objects.update(locale=locale)
    take(issued.secret, REPORT._replace(where="https://example.org/<script>\n\u202e"))

    mail.send_due(timezone.now())

    letter = next(sent for sent in django_mail.outbox if word in sent.subject)
    ((html, _),) = letter.alternatives
    for text in (letter.body, html):
        assert issued.key.key_prefix in text
        assert "https://example.org/" in text
        assert issued.secret not in text
    assert "<script>" not in html
    assert "<i>" not in html


def test_where_it_was_found_is_sealed() -> None:
    take(make.key().secret)

    with connection.cursor() as cursor:
        cursor.execute("SELECT l.where, e.details FROM apikeys_leak l, events_event e")
        stored = str(cursor.fetchall())
    assert "github.com" not in stored
    assert Leak.objects.get().where == REPORT.where


@pytest.mark.parametrize("coded", ["plain", "percent", "twice", "upper"])
@pytest.mark.parametrize("kind", ["own", "imported"])
def test_a_place_that_holds_the_key_does_not_tell_it_on(kind: str, coded: str) -> None:
    """To the owner's mailbox, the events, the webhooks."""
    if kind == "imported":
        imported()
    secret = SECRET if kind == "imported" else make.key().secret
    User.objects.update(email="eve@example.org", status=Status.ACTIVE)
    forms = {
        "plain": secret, "percent": "".join(f"%{ord(char):02x}" for char in secret),
        "twice": secret.replace("_", "%255F").replace("-", "%252d"), "upper": secret.upper(),
    }  # fmt: skip
    other = minted()
    url = f"https://example.org/?q={forms[coded]}&again={forms[coded]}&other={other}#rest"

    take(secret, REPORT._replace(where=url, source=secret))
    mail.send_due(timezone.now())

    leak = Leak.objects.get()
    event = Event.objects.get(kind="apikey:leaked")
    assert (leak.where or "").startswith("https://example.org/?q=")
    assert (leak.where or "").endswith("#rest")
    letter = next(sent for sent in django_mail.outbox if "found in public" in sent.subject)
    said = [leak.where or "", leak.source, event.details or "", repr(REPORT._replace(where=url))]
    for text in [*said, letter.body, str(letter.alternatives)]:
        for hidden in (forms[coded], secret[-20:], other[-20:]):
            assert hidden.lower() not in text.lower()


def test_a_long_place_is_cut() -> None:
    take(make.key().secret, REPORT._replace(where="x" * 100_000, source="y" * 1000))

    leak = Leak.objects.get()
    assert (len(leak.where or ""), len(leak.source)) == (2000, 60)
