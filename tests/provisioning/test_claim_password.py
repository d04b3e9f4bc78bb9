"""The SFTP password on the claim page: sent on and kept nowhere; the key comes all the same."""

import logging
import re

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from apikeys.models import ApiKey
from events.models import Event
from provisioning.models import Chance, ClaimLink, ProvisioningTask
from provisioning.services import members
from tests import make
from tests.provisioning.sftpgo import StandIn, serving
from tests.provisioning.sftpgo_settings import configured
from tests.provisioning.test_claim_page import SECRET, path_of

pytestmark = pytest.mark.django_db
GOOD = "lighthouse-keeper 7"
BOTH = {"password": GOOD, "again": GOOD}
LINK = re.compile(r'href="[^"]*(/claim/[^"]+)"')


@pytest.fixture
def stand_in(settings):
    found = StandIn()
    with serving(found) as url:
        settings.SFTPGO = configured(url=url)
        yield found


@pytest.fixture
def claim(stand_in):
    """alice has an account here and there."""
    made = make.registered("alice")
    info = f"momentry:{made.member.pk}"
    stand_in.add("alice", additional_info=info, quota_size=5, description="kept")
    return made.claim


def html_of(answer) -> str:
    return str(answer.content.decode())


def test_the_page_asks_for_one_only_where_there_is_an_account(client, claim, settings):
    assert 'type="password"' in html_of(client.get(path_of(claim)))
    settings.SFTPGO = None
    assert 'type="password"' not in html_of(client.get(path_of(claim)))


def test_one_press_shows_the_key_and_sets_the_password(client, claim, stand_in):
    answer = client.post(path_of(claim), BOTH)

    assert answer.status_code == 200
    assert SECRET.search(html_of(answer))
    assert "password is set" in html_of(answer)
    assert stand_in.passwords == {"alice": GOOD}
    assert (stand_in.users["alice"]["quota_size"], stand_in.users["alice"]["description"]) == (
        5, "kept",
    )  # fmt: skip
    assert Event.objects.filter(kind="member:password_set").count() == 1


def test_who_leaves_it_for_later_gets_a_link_for_it(client, claim, stand_in):
    answer = client.post(path_of(claim), {"password": "", "again": ""})

    assert SECRET.search(html_of(answer))
    assert (stand_in.passwords, stand_in.requests) == ({}, [])
    (later,) = LINK.findall(html_of(answer))
    assert client.post(later, BOTH).status_code == 200
    assert stand_in.passwords == {"alice": GOOD}


@pytest.mark.parametrize(
    ("password", "again"),
    [
        (GOOD, GOOD + "x"), (GOOD, ""), ("", GOOD), ("short", "short"), ("1234567890",) * 2,
        ("password1",) * 2, ("alice",) * 2, ("é" * 40,) * 2, ("tab\there and more",) * 2,
        ("nul\0nul nul nul",) * 2, ("x" * 5000,) * 2,
    ],
)  # fmt: skip
def test_a_bad_password_uses_nothing_up(client, claim, stand_in, password, again):
    answer = client.post(path_of(claim), {"password": password, "again": again})

    assert answer.status_code == 422
    assert 'role="alert"' in html_of(answer)
    assert "value=" not in html_of(answer).replace('name="csrfmiddlewaretoken" value=', "")
    assert not ApiKey.objects.get().is_claimed
    assert stand_in.requests == []
    assert client.post(path_of(claim), BOTH).status_code == 200


@pytest.mark.parametrize("trouble", ["cut", "500", "403", "gone", "foreign"])
def test_without_sftpgo_the_key_is_shown_and_a_link_for_the_password(
    client, claim, stand_in, trouble
):
    if trouble == "gone":
        stand_in.users.clear()
    elif trouble == "foreign":
        stand_in.users["alice"]["additional_info"] = "somebody's"
    else:
        stand_in.trouble = lambda *_: trouble

    page = html_of(client.post(path_of(claim), BOTH))

    assert SECRET.search(page)
    assert stand_in.passwords == {}
    (link,) = LINK.findall(page)
    stand_in.trouble = lambda *_: ""
    stand_in.add("alice", additional_info=f"momentry:{User.objects.get().pk}")
    asked = client.get(link)
    done = client.post(link, BOTH)
    again = client.post(link, BOTH)
    assert (asked.status_code, done.status_code, again.status_code) == (200, 200, 404)
    assert stand_in.passwords == {"alice": GOOD}
    assert not SECRET.search(html_of(asked) + html_of(done))


@pytest.fixture
def later(client, claim, stand_in) -> str:
    """The link of who got the key and not the password."""
    stand_in.trouble = lambda *_: "cut"
    (link,) = LINK.findall(html_of(client.post(path_of(claim), BOTH)))
    stand_in.trouble = lambda *_: ""
    return str(link)


def test_a_link_for_the_password_is_not_used_up_while_sftpgo_is_away(client, later, stand_in):
    stand_in.trouble = lambda *_: "500"
    assert client.post(later, BOTH).status_code == 503
    stand_in.trouble = lambda *_: ""

    assert client.post(later, {}).status_code == 422
    assert client.post(later, BOTH).status_code == 200


@pytest.mark.parametrize("end", ["suspended", "deleted"])
def test_who_is_not_active_sets_no_password(client, later, stand_in, end):
    alice = User.objects.get()
    if end == "suspended":
        members.suspend_member(alice, reason="", actor="test")
    else:
        members.delete_member(alice, actor="test")

    assert [client.get(later).status_code, client.post(later, BOTH).status_code] == [404, 404]
    assert stand_in.passwords == {}


def test_a_link_of_one_kind_is_none_of_the_other(client, claim, later):
    assert client.get(path_of(claim)).status_code == 404  # used
    assert not SECRET.search(html_of(client.post(later, BOTH)))
    assert ClaimLink.objects.get(chance=Chance.PASSWORD).used_at is not None


def test_what_changed_meanwhile_is_brought_back_by_a_task(client, claim, stand_in):
    """Suspended between SFTPGo's GET and the PUT of the password: the PUT undoes it there."""
    before = ProvisioningTask.objects.get().desired_version

    def suspend_meanwhile(method, path):
        if method == "PUT":
            stand_in.users["alice"]["status"] = 0
        return ""

    stand_in.trouble = suspend_meanwhile
    client.post(path_of(claim), BOTH)

    task = ProvisioningTask.objects.get()
    assert stand_in.users["alice"]["status"] == 1
    assert (task.state, task.desired_version) == ("pending", before + 1)


def test_the_key_is_shown_while_the_database_goes_away(client, claim, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise OperationalError

    monkeypatch.setattr("provisioning.views.set_password", away)
    monkeypatch.setattr("provisioning.views.make_password_claim", away)

    page = html_of(client.post(path_of(claim), BOTH))

    assert SECRET.search(page)
    assert "Ask whoever runs" in page


def test_the_password_is_stored_and_logged_nowhere(client, claim, stand_in, caplog, later):
    caplog.set_level(logging.DEBUG)
    client.post(later, BOTH)

    assert GOOD not in caplog.text
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema='public'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{GOOD}%"])
            assert cursor.fetchone() == (0,), table


def test_staff_make_a_link_for_who_has_none(claim, stand_in):
    alice, root = User.objects.get(), make.staff()
    staff = Client()
    staff.force_login(root)
    page = reverse("admin:accounts_user_password_link_this", args=[alice.pk])

    asked, made = staff.get(page), staff.post(page, {"confirmed": "yes"})

    link = ClaimLink.objects.get(chance=Chance.PASSWORD)
    assert path_of(link) in html_of(made)
    assert "/claim/" not in html_of(asked)
    assert Client().post(path_of(link), BOTH).status_code == 200
    members.suspend_member(alice, reason="", actor="test")
    assert staff.post(page, {"confirmed": "yes"}).status_code == 302


def test_a_fault_tells_no_password(claim, monkeypatch, caplog):
    def fault(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("provisioning.services.passwords.Sftpgo.find", fault)

    answer = Client(raise_request_exception=False).post(path_of(claim), BOTH)

    assert answer.status_code == 500
    told = caplog.text + html_of(answer) + "".join(str(vars(one)) for one in caplog.records)
    assert GOOD not in told
