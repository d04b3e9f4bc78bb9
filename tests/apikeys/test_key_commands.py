"""manage.py apikey VERB ID: one key, by the services of REST and the admin."""

import json
import uuid

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.apikeys.calls import code
from tests.apikeys.files import apikey

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued():
    return make.key(make.member("alice"))


@pytest.mark.parametrize(
    ("verbs", "told", "kind"),
    [
        (["disable"], "key_disabled", "apikey:disabled"),
        (["disable", "enable"], "", "apikey:enabled"),
        (["quarantine"], "key_quarantined", "apikey:quarantined"),
        (["revoke"], "key_revoked", "apikey:revoked"),
    ],
    ids=str,
)
def test_a_verb_does_it_and_again_is_harmless(verbs, told, kind, issued):
    for verb in verbs:
        assert apikey(verb, str(issued.key.pk)).code == 0
    again = apikey(verbs[-1], issued.key.pk.hex)

    assert code(issued.secret) == told
    assert (again.code, again.err) == (0, "It was so already.\n")
    assert Event.objects.filter(kind=kind, actor="command").count() == 1


def test_the_reason_of_a_quarantine_is_in_its_event(issued):
    apikey("quarantine", str(issued.key.pk), "--reason", "found in a log")

    event = Event.objects.get(kind="apikey:quarantined")
    assert json.loads(event.details) == {"reason": "found in a log"}


@pytest.mark.parametrize(("grace", "old"), [("0", "invalid_key"), ("60", "")])
def test_rotating_prints_a_new_secret(grace, old, issued):
    ran = apikey("rotate", str(issued.key.pk), "--grace", grace)

    assert [code(issued.secret), code(ran.out.strip())] == [old, ""]


def test_what_ended_is_refused_in_a_sentence(issued):
    apikey("revoke", str(issued.key.pk))

    ran = apikey("rotate", str(issued.key.pk))

    assert (ran.code, ran.out) == (1, "")
    assert "ended for good" in ran.err


def test_show_and_list_are_masked(issued):
    shown = json.loads(apikey("show", str(issued.key.pk)).out)
    listed = apikey("list", "--owner", "alice", "--active")

    assert (shown["id"], shown["owner"]["username"]) == (str(issued.key.pk), "alice")
    assert [line.split("  ") for line in listed.out.splitlines()] == [
        [str(issued.key.pk), issued.key.key_prefix, "alice", "test key"]
    ]
    assert issued.secret not in str(shown) + listed.out


def test_a_name_moves_no_cursor(issued):
    ApiKey.objects.filter(pk=issued.key.pk).update(name="\x1b[2J\nname")

    listed = apikey("list", "--active")

    assert "\x1b" not in listed.out
    assert len(listed.out.splitlines()) == 1


@pytest.mark.parametrize("verb", ["show", "disable", "rotate", "revoke"])
def test_an_unknown_key_is_a_sentence(verb):
    ran = apikey(verb, str(uuid.uuid4()))

    assert (ran.code, ran.err) == (1, "There is no such key.\n")


@pytest.mark.parametrize(
    "given",
    [["show", "x"], ["rotate", "x"], ["rotate", "{0}", "--grace", "2592001"], ["dance"], []],
)
def test_what_cannot_be_understood_is_said(given, issued):
    with pytest.raises(CommandError):
        call_command("apikey", *[text.format(issued.key.pk) for text in given])
    assert code(issued.secret) == ""
