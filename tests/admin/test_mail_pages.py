"""What letters look like, and who does not want them, in the web admin."""

import re

import pytest
from django.core import mail as django_mail
from django.test import Client
from django.utils.html import escape

from events import letters, mail
from events.mailmodels import Unsubscription
from events.models import Event, Mail
from events.topics import Topic
from momentry.common.ids import uuid7
from tests.admin.conftest import House, clerk
from tests.admin.pages import changelist
from tests.admin.test_pages import OUTSIDE

PREVIEW = "/admin/events/mail/preview/"
MISSING = "«missing»"


def escaped(text: str) -> str:
    """Also what a template made, which counts as markup."""
    return str(escape(text))


@pytest.mark.parametrize("locale", [letters.ENGLISH, letters.CHINESE])
@pytest.mark.parametrize("template", sorted(mail.RENDERERS))
def test_every_letter_can_be_looked_at_in_both_languages(
    template: str, locale: str, house: House, root: Client
) -> None:
    before = Mail.objects.count(), Event.objects.count()

    answer = root.get(PREVIEW, {"template": template, "locale": locale})

    letter = answer.context["letter"]
    assert answer.status_code == 200
    assert letter.subject
    assert letter.subject == letter.subject.strip()
    shown = answer.content.decode()
    assert not OUTSIDE.search(shown)
    assert f'srcdoc="{escaped(str(letter.html))}"' in shown
    assert escaped(str(letter.text)) in shown
    assert not re.search(r"<(?:img|script|link|iframe|object)\b", letter.html)
    assert before == (Mail.objects.count(), Event.objects.count())
    assert not django_mail.outbox


@pytest.mark.parametrize("locale", [letters.ENGLISH, letters.CHINESE])
@pytest.mark.parametrize("template", sorted(mail.RENDERERS))
def test_a_sample_leaves_nothing_out(template: str, locale: str, settings) -> None:
    settings.TEMPLATES = [
        {**each, "OPTIONS": {**each["OPTIONS"], "string_if_invalid": MISSING}}
        for each in settings.TEMPLATES
    ]

    assert template in letters.SAMPLES
    assert MISSING not in "".join(letters.sample_of(template, locale))


@pytest.mark.parametrize("query", ["?template=nothing", "?locale=de", "?template=../welcome"])
def test_what_is_no_letter_is_not_found(query: str, root: Client) -> None:
    assert root.get(PREVIEW + query).status_code == 404


def test_only_who_may_see_the_outbox_looks(house: House) -> None:
    assert clerk("view_apikey").get(PREVIEW).status_code == 403
    assert clerk("view_mail", username="other").get(PREVIEW).status_code == 200


def test_staff_write_to_somebody_again_who_asked_for_it(house: House, root: Client) -> None:
    row = Unsubscription.objects.create(id=uuid7(), member=house.bob.pk, topic=Topic.QUOTA)
    form = {"action": "want_selected", "_selected_action": [str(row.pk)], "confirmed": "yes"}

    clerk("view_unsubscription").post(changelist(Unsubscription), form)
    assert Unsubscription.objects.exists()
    root.post(changelist(Unsubscription), form)

    assert not Unsubscription.objects.exists()
    assert Event.objects.filter(kind="member:subscribed").count() == 1


def test_a_withheld_letter_is_neither_waiting_nor_failed(house: House, root: Client) -> None:
    Mail.objects.update(withheld_at="2026-01-01T00:00Z")

    shown = root.get(changelist(Mail), {"state": "withheld"})
    assert len(shown.context["cl"].result_list) == Mail.objects.count() > 0
    for state in ("waiting", "retrying", "failed", "sent"):
        assert not root.get(changelist(Mail), {"state": state}).context["cl"].result_list
