"""POST /admin/login/: so many attempts per address and per person, and staff without Valkey."""

import copy

import pytest
from django.conf import settings
from django.test import Client, override_settings

from momentry.common import throttle
from tests import make

URL = "/admin/login/"
ADDRESS, USERNAME = throttle.LOGIN_ADDRESS.attempts, throttle.LOGIN_USERNAME.attempts
pytestmark = pytest.mark.django_db


def log_in(username="nobody", password="wrong", address="192.0.2.1"):
    given = {"username": username, "password": password, "next": "/admin/"}
    return Client(REMOTE_ADDR=address).post(URL, given)


@pytest.fixture
def cheap_hash(settings):
    """These tests count attempts; what one costs is another matter."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_an_address_has_so_many_attempts_a_minute(cheap_hash, window):
    answers = [log_in(f"user{number}") for number in range(ADDRESS + 3)]

    assert [answer.status_code for answer in answers] == [200] * ADDRESS + [429] * 3
    last = answers[-1]
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert "no-store" in last.headers["Cache-Control"]
    assert "Too many attempts" in last.content.decode()
    assert "http://" not in last.content.decode()


def test_another_address_is_not_concerned(cheap_hash, window):
    for _ in range(ADDRESS + 1):
        log_in(address="2001:db8::1")

    assert log_in(address="2001:db8::2").status_code == 429  # the same customer
    assert log_in(address="2001:db8:0:1::1").status_code == 200


def test_a_person_has_so_many_attempts_from_everywhere(cheap_hash, window):
    answers = [
        log_in("Root" if number % 2 else "root", address=f"198.51.100.{number}")
        for number in range(USERNAME + 2)
    ]

    assert [answer.status_code for answer in answers] == [200] * USERNAME + [429] * 2
    assert log_in("other", address="198.51.100.200").status_code == 200


def test_one_address_cannot_keep_a_person_out(cheap_hash, window):
    make.staff("root")
    for _ in range(USERNAME * 2):
        log_in("root", address="203.0.113.9")

    answer = log_in("root", make.PASSWORD, address="192.0.2.1")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


def test_a_right_password_waits_too(cheap_hash, window):
    make.staff("root")
    for _ in range(ADDRESS):
        log_in("root")

    answer = log_in("root", make.PASSWORD)

    assert answer.status_code == 429
    assert "sessionid" not in answer.cookies
    assert settings.SESSION_COOKIE_NAME not in answer.cookies


def test_the_page_itself_is_not_counted(window):
    answers = {Client().get(URL).status_code for _ in range(ADDRESS * 2)}

    assert answers == {200}


def test_the_next_window_begins_from_nothing(cheap_hash, window):
    for _ in range(ADDRESS):
        log_in()
    window.now += int(log_in().headers["Retry-After"])

    assert log_in().status_code == 200


@pytest.mark.parametrize("name", ["", "\x00", "é☃" * 400, "x" * 100_000])
def test_any_name_is_counted(name, cheap_hash, window):
    assert log_in(name).status_code == 200


def test_staff_log_in_while_valkey_is_away(outage):
    make.staff("root")
    changed = copy.deepcopy(settings.CACHES)
    changed["default"]["LOCATION"] = "redis://127.0.0.1:1/0"

    with override_settings(CACHES=changed):
        pages = [Client().get(URL).status_code, log_in("root", make.PASSWORD).status_code]

    assert pages == [200, 302]
