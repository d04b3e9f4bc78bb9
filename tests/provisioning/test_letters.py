"""What the letters say, in which language, and that a hostile name stays a name."""

from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from events import mail
from events.models import Mail
from provisioning.models import ClaimLink
from provisioning.services import members
from provisioning.services.claims import claim_url
from provisioning.services.members import welcome
from tests import make
from tests.provisioning.sftpgo_settings import configured

pytestmark = pytest.mark.django_db
STAFF = {"actor": "staff:1"}


def sent() -> list[Any]:
    """As a mail program reads them."""
    mail.send_due(timezone.now())
    found = [letter.message().as_bytes() for letter in django_mail.outbox]
    return [message_from_bytes(raw, policy=policy.default) for raw in found]


def parts(letter: Any) -> tuple[str, str]:
    text, html = letter.get_body(("plain",)), letter.get_body(("html",))
    return text.get_content(), html.get_content()


def test_the_welcome_has_one_claim_link_in_text_and_html():
    link = make.registered().claim

    (letter,) = sent()

    text, html = parts(letter)
    assert letter["Subject"] == "Your API key is waiting"
    assert [text.count(claim_url(link)), html.count(f'href="{claim_url(link)}"')] == [1, 1]
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"] == f"<{Mail.objects.get().pk}@127.0.0.1>"


def test_sftp_is_named_where_it_is_configured(settings):
    settings.SFTPGO = configured()._replace(public_host="files.example.org", public_port=2022)
    alice = make.member("First Last", email="a@example.org", site=make.site(), wordpress_id=7)
    assert sent() == []  # not before the account is there

    assert welcome(alice)

    for body in parts(sent()[0]):
        assert all(word in body for word in ("files.example.org", "2022", "first-last-7"))


def test_without_sftp_no_word_of_it(settings):
    settings.SFTPGO = None
    make.member()

    assert not any("SFTP" in body for body in parts(sent()[0]))


def test_a_link_that_opens_nothing_any_more_is_left_out():
    make.registered()
    ClaimLink.objects.update(voided_at=timezone.now())

    (letter,) = sent()

    assert letter["Subject"] == "Your account is ready"
    assert not any("/claim/" in body for body in parts(letter))


def test_each_step_has_its_letter_in_both_languages():
    for locale in ("en_US", "zh_TW"):
        given = make.Profile(locale[:2], f"{locale}@example.org", locale=locale)
        alice = members.register_member(given, actor="test").member
        sent()  # while the link still opens something
        members.suspend_member(alice, reason="secret remark", **STAFF)
        members.resume_member(alice, **STAFF)
        profile = make.Profile(alice.username, f"new.{locale}@example.org", locale=locale)
        members.update_profile(alice, profile, **STAFF)
        members.delete_member(alice, **STAFF)

    letters = sent()

    assert [letter["Subject"] for letter in letters] == [
        "Your API key is waiting", "Your account is suspended", "Your account works again",
        "Your address was changed", "Your address was changed", "Your account was deleted",
        "您的 API 金鑰已備妥", "您的帳號已停用", "您的帳號已恢復",
        "您的電子郵件地址已變更", "您的電子郵件地址已變更", "您的帳號已刪除",
    ]  # fmt: skip
    assert [letter["To"] for letter in letters[3:5]] == [
        "en_US@example.org", "new.en_US@example.org",
    ]  # fmt: skip
    assert not any("remark" in body for letter in letters for body in parts(letter))
    assert 'lang="zh-hant"' in parts(letters[-1])[1]


@pytest.mark.parametrize(
    ("locale", "subject"),
    [
        ("zh_TW", "您的 API 金鑰已備妥"), ("zh-Hant-HK", "您的 API 金鑰已備妥"),
        ("zh_HK", "您的 API 金鑰已備妥"), ("zh_CN", "Your API key is waiting"),
        ("../zh", "Your API key is waiting"), ("", "Your API key is waiting"),
    ],
)  # fmt: skip
def test_the_welcome_speaks_the_members_language(locale, subject):
    members.register_member(make.Profile("a", "a@example.org", locale=locale), actor="test")

    assert sent()[0]["Subject"] == subject


HOSTILE = [
    "a\r\nBcc: victim@example.org\r\n\r\nhello", "<script>alert(1)</script>", "\u202egnp.exe",
    "{{ site }}{% now 'Y' %}", "x" * 250, "a\u2028b\u0085c",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_the_body_and_nothing_else(name):
    members.register_member(make.Profile("a", "a@example.org", display_name=name), actor="test")

    (letter,) = sent()

    text, html = parts(letter)
    hello = text.splitlines()[0]
    assert letter.keys().count("To") == 1
    assert letter["Bcc"] is None
    assert "<script" not in html
    assert "\u202e" not in text + html
    assert len(hello) <= len("Hello ,") + 60
    assert not any(line.startswith("Bcc:") for line in text.splitlines())
    assert "{% now" not in name or "{% now" in text


def test_a_letter_that_is_sent_again_is_the_same_message():
    make.member()
    first = sent()[0]
    Mail.objects.update(sent_at=None, next_attempt_at=timezone.now() - timedelta(seconds=1))

    again = sent()[1]

    for name in ("Message-ID", "Subject", "To"):
        assert first[name] == again[name]
    assert parts(first) == parts(again)


def test_a_letter_of_an_older_release_is_still_sent():
    link = make.registered(welcome=False).claim
    mail.queue("welcome", recipient="alice@example.org", claim=link.pk.hex)

    assert "Hello alice," in parts(sent()[0])[0]
