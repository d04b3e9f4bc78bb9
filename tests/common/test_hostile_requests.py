"""What a browser never sends: NUL in cookies, paths and queries; and a database that goes away."""

import pytest
from django.db import OperationalError

from tests import make

pytestmark = pytest.mark.django_db
PATHS = ("/api/v1/me", "/admin/", "/admin/login/", "/api/v1/admin/users")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", [r'"aaaaaaaaaaaa\000aaaaaaaaa"', "é" * 32, "a b", "'" * 40])
def test_a_session_cookie_that_cannot_be_one_is_no_session(api, path, value):
    answer = api.get(path, HTTP_COOKIE=f"momentry_session={value}")

    assert answer.status_code in {200, 302, 401}


@pytest.mark.parametrize(
    "path", ["/admin/accounts/user/?status=%00", "/admin/apikeys/tier/%00/change/", "/%00"]
)
def test_nul_in_a_path_or_a_query_is_400(api, path):
    api.force_login(make.staff())

    answer = api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_page_whose_database_goes_away_is_503(api, monkeypatch):
    def away(*_):
        raise OperationalError("gone")

    monkeypatch.setattr("provisioning.views.find_claim", away)

    answer = api.get("/claim/x")

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"]
