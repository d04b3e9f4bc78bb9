"""Letters that nobody needs are called off by one click, without a log-in, and by nobody else."""

import base64
from uuid import uuid4

import pytest
from django.core import mail as django_mail
from django.test import Client
from django.utils import timezone

from accounts.models import User
from events import mail, unsubscribing
from events.mailmodels import Unsubscription
from events.models import Event, Mail
from events.topics import Topic
from events.unsubscribing import Subscription, is_wanted, link_of
from momentry.common.crypto import generate
from momentry.common.crypto.keyring import get_ring
from tests import make
from tests.conftest import Window

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def quota() -> Subscription:
    return Subscription(make.registered("alice", welcome=False).member.pk, Topic.QUOTA)


def path_of(found: Subscription) -> str:
    return link_of(found).removeprefix("http://127.0.0.1:3002")


def queue(found: Subscription, locale: str = "") -> Mail:
    return mail.queue(
        "quota_80", recipient="alice@example.org", locale=locale, member=found.member.hex
    )


def sent() -> int:
    mail.send_due(timezone.now())
    return len(django_mail.outbox)


def kinds() -> list[str]:
    rows = Event.objects.filter(kind__endswith="subscribed").order_by("id")
    return list(rows.values_list("kind", flat=True))


def test_a_notice_says_how_to_call_it_off_and_a_letter_of_security_does_not(
    quota: Subscription,
) -> None:
    queue(quota)
    mail.queue("suspended", recipient="alice@example.org", member=quota.member.hex)
    sent()

    notice, security = (letter.message() for letter in django_mail.outbox)
    assert notice["List-Unsubscribe"] == f"<{link_of(quota)}>"
    assert notice["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for part in django_mail.outbox[0].body, django_mail.outbox[0].alternatives[0].content:
        assert link_of(quota) in part
    assert security["List-Unsubscribe"] is None
    assert "/unsubscribe/" not in str(security)


@pytest.mark.parametrize("form", ["urlencoded", "multipart"])
def test_one_click_of_a_mail_program_calls_it_off(form: str, quota: Subscription) -> None:
    """From anywhere, with no cookie and no token of a form."""
    client = Client(enforce_csrf_checks=True)
    kind = {"content_type": "application/x-www-form-urlencoded"} if form == "urlencoded" else {}
    body = "List-Unsubscribe=One-Click" if kind else ONE_CLICK

    answer = client.post(path_of(quota), body, **kind)

    assert answer.status_code == 200
    assert not answer.cookies
    assert not is_wanted(quota)
    assert kinds() == ["member:unsubscribed"]


def test_looking_at_the_page_calls_nothing_off(quota: Subscription, client: Client) -> None:
    for method in (client.get, client.head):
        assert method(path_of(quota)).status_code == 200

    assert is_wanted(quota)
    assert client.put(path_of(quota)).status_code == 405


def test_what_was_called_off_is_withheld_also_if_it_was_queued_before(
    quota: Subscription, client: Client
) -> None:
    row = queue(quota)
    client.post(path_of(quota), ONE_CLICK)

    assert sent() == 0

    row.refresh_from_db()
    assert row.withheld_at is not None
    assert (row.sent_at, row.failed_at, mail.send_due(timezone.now())) == (None, None, 0)


def test_only_that_topic_of_that_member_is_called_off(quota: Subscription, client: Client) -> None:
    bob = Subscription(make.registered("bob", welcome=False).member.pk, Topic.QUOTA)
    client.post(path_of(quota), ONE_CLICK)
    queue(bob)
    mail.queue("resumed", recipient="alice@example.org", member=quota.member.hex)

    assert sent() == 2
    assert is_wanted(quota._replace(topic=Topic.EXPIRY))


def test_it_can_be_wanted_again_and_each_change_is_one_event(
    quota: Subscription, client: Client
) -> None:
    for choice in ("stop", "stop", "again", "again"):
        client.post(path_of(quota), {"choice": choice})

    queue(quota)
    assert sent() == 1
    assert kinds() == ["member:unsubscribed", "member:subscribed"]
    assert not Unsubscription.objects.exists()


def test_one_address_changes_so_much_in_a_minute_and_another_is_not_kept_waiting(
    quota: Subscription, window: Window
) -> None:
    here, there = Client(REMOTE_ADDR="192.0.2.5"), Client(REMOTE_ADDR="192.0.2.6")
    choices = ("stop", "again") * 20
    answers = [here.post(path_of(quota), {"choice": choice}) for choice in choices]

    codes = [answer.status_code for answer in answers]
    assert (codes, len(kinds())) == ([200] * 30 + [429] * 10, 30)
    assert 0 < int(answers[-1]["Retry-After"]) <= 61
    assert "Too many attempts" in answers[-1].content.decode()
    assert answers[-1]["Referrer-Policy"] == "no-referrer"
    assert here.get(path_of(quota), headers={"accept-language": "zh-TW"}).status_code == 429
    assert there.post(path_of(quota), ONE_CLICK).status_code == 200
    assert not is_wanted(quota)


def forged(token: str) -> list[str]:
    raw = base64.urlsafe_b64decode(token)
    other = raw[:32] + uuid4().bytes + raw[48:]
    flipped = bytes([raw[0] ^ 1]) + raw[1:]
    texts = [
        base64.urlsafe_b64encode(each).decode() for each in (other, flipped, raw[:40], raw[:48])
    ]
    for_others = base64.urlsafe_b64encode(raw[:48] + b"expiry").decode()
    return [*texts, for_others, "x", "AAAA", token + "=", token[:-1], "%C3%A9"]


def test_a_forged_link_opens_nothing(quota: Subscription, client: Client) -> None:
    token = path_of(quota).removeprefix("/unsubscribe/")

    for text in forged(token):
        assert client.get(f"/unsubscribe/{text}").status_code == 404
        assert client.post(f"/unsubscribe/{text}", ONE_CLICK).status_code == 404

    assert not Unsubscription.objects.exists()


def test_a_link_outlives_a_rotation_of_the_ring(
    quota: Subscription, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = get_ring()
    path = path_of(quota)
    newer = type(ring).from_text(generate.random_key())
    keys = [newer.derive(unsubscribing.PURPOSE), ring.derive(unsubscribing.PURPOSE)]
    monkeypatch.setattr(type(ring), "derive_all", lambda *_: keys)

    assert client.get(path).status_code == 200
    monkeypatch.setattr(type(ring), "derive_all", lambda *_: keys[:1])
    assert client.get(path).status_code == 404


def test_the_page_speaks_two_languages_and_loads_nothing(
    quota: Subscription, client: Client
) -> None:
    for wish, word in (("zh-TW,zh;q=0.9", "要停止這類信件嗎"), ("de", "Stop these letters?")):
        answer = client.get(path_of(quota), headers={"accept-language": wish})
        assert word in answer.content.decode()
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert (answer["Referrer-Policy"], answer["Cache-Control"].split(",")[0]) == (
        "no-referrer", "max-age=0",
    )  # fmt: skip
    assert User.objects.get(pk=quota.member).username not in answer.content.decode()


def test_a_letter_to_an_address_without_an_account_has_no_link() -> None:
    mail.queue("quota_80", recipient="a@example.org", member="")

    assert unsubscribing.subscription_of(Mail.objects.get()) is None
