"""Comparing with a WordPress whose list cannot be relied on: nobody is deleted by mistake."""

import pytest
from django.core.management import CommandError

from accounts.models import Status, User
from provisioning.models import Reconciliation
from provisioning.services.wordpress_drift import MANY
from tests.provisioning.comparing import run, state

pytestmark = pytest.mark.django_db


def test_a_list_that_breaks_off_deletes_nobody(three, there):
    for number in range(10, 120):
        there.add(number, f"u{number}", momentry_status="excluded")
    del there.users[1]
    handler = there.RequestHandlerClass.page

    def page(self, query):
        if query["page"] == "2":
            self.answer(500, {"code": "internal_server_error"}, {})
        else:
            handler(self, query)

    there.RequestHandlerClass.page = page
    try:
        with pytest.raises(CommandError):
            run()
    finally:
        there.RequestHandlerClass.page = handler
    assert state()[1][2] == Status.ACTIVE
    assert Reconciliation.objects.first().error == "WordPress answers 500."


def test_a_list_without_its_length_deletes_nobody(three, there):
    del there.users[1]
    handler = there.RequestHandlerClass.page
    there.RequestHandlerClass.page = lambda self, _: self.answer(200, [], {})
    try:
        with pytest.raises(CommandError):
            run()
    finally:
        there.RequestHandlerClass.page = handler
    assert state()[1][2] == Status.ACTIVE


def test_who_is_missing_on_the_list_but_there_when_asked_stays(three, there):
    handler = there.RequestHandlerClass.page

    def page(self, _):
        shown = [self.server.users[2], self.server.users[3]]
        self.answer(200, shown, {"X-WP-TotalPages": "1"})

    there.RequestHandlerClass.page = page
    try:
        run()
    finally:
        there.RequestHandlerClass.page = handler
    assert state()[1][2] == Status.ACTIVE


def test_another_site_at_the_same_address_deletes_nobody_unasked(asking, there):
    for number in range(1, MANY + 12):
        there.add(number, f"u{number}")
    run()
    there.users = {500: there.users[1] | {"id": 500, "username": "new", "email": "n@example.org"}}

    with pytest.raises(CommandError):
        run()
    assert "is it another site?" in Reconciliation.objects.first().error
    assert User.objects.filter(status=Status.DELETED).count() == 0

    run("--delete-many")
    assert User.objects.filter(status=Status.DELETED).count() == MANY + 11
