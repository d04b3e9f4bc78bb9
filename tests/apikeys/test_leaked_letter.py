"""Whose key is quarantined is told at once, once, and cannot call that off."""

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from accounts.models import Status, User
from apikeys.models import ApiKey
from apikeys.services.life import quarantine_key
from events import mail
from events.models import Mail
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def leaked() -> ApiKey:
    return make.key(make.registered("alice", welcome=False).member, name="laptop").key


def test_the_owner_is_told_once_which_key_and_not_why(leaked: ApiKey) -> None:
    assert quarantine_key(leaked, actor="staff:1", reason="seen by a colleague")
    assert not quarantine_key(leaked, actor="staff:1")
    mail.send_due(timezone.now())

    (letter,) = django_mail.outbox
    assert (letter.to, letter.subject) == (["alice@example.org"], "Your API key was stopped")
    for body in (letter.body, str(letter.alternatives[0].content)):
        assert "laptop" in body
        assert leaked.key_prefix in body
        assert "colleague" not in body
        assert "unsubscribe" not in body


@pytest.mark.parametrize(
    ("status", "letters"),
    [(Status.ACTIVE, 1), (Status.SUSPENDED, 1), (Status.PENDING, 0), (Status.DELETED, 0)],
)
def test_nothing_goes_to_an_address_that_may_be_somebody_elses(
    status: Status, letters: int, leaked: ApiKey
) -> None:
    User.objects.update(status=status)

    assert quarantine_key(leaked, actor="test")

    assert Mail.objects.count() == letters


def test_nobody_is_told_of_a_services_key() -> None:
    assert quarantine_key(make.service_key().key, actor="test")

    assert not Mail.objects.exists()
