"""The list of events says which are sealed, and shows those that are not."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from events.chain import mending
from events.chain.sealer import Sealer
from events.models import Event
from tests.admin.pages import change, changelist
from tests.events.chained import execute, note, note_at, sealed

pytestmark = pytest.mark.django_db


def test_each_event_says_whether_it_is_sealed(root: Client) -> None:
    sealed = note(1)
    Sealer().seal()
    note(2)
    note_at(3, timezone.now() - timedelta(hours=1))

    text = root.get(changelist(Event)).content.decode()

    assert text.count("sealed 1") == text.count("not yet") == text.count("not sealed") == 1
    page = root.get(change(Event, sealed.pk)).content.decode()
    assert bytes(Event.objects.get(pk=sealed.pk).hash).hex() in page


def test_those_that_are_not_sealed_can_be_looked_for(root: Client) -> None:
    note(1)
    Sealer().seal()
    note(2)

    text = root.get(changelist(Event), {"sealed": "no"}).content.decode()

    assert "mail:2" in text
    assert "mail:1" not in text


def test_what_stands_outside_the_chain_is_shown_as_that(root: Client) -> None:
    first, _ = sealed(2)
    execute("DELETE FROM events_chain")
    mending.restart(actor="test")
    Sealer().seal()

    text = root.get(changelist(Event)).content.decode()

    assert text.count("outside the chain") == 2
    assert "sealed 1" not in text
    assert "sealed 3" in text
    page = root.get(change(Event, first.pk)).content.decode()
    assert bytes(Event.objects.get(pk=first.pk).hash).hex() not in page
