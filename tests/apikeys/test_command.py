"""manage.py apikey issue."""

from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from apikeys.models import ApiKey

pytestmark = pytest.mark.django_db


def issue(*arguments: str) -> str:
    out = StringIO()
    call_command("apikey", "issue", *arguments, stdout=out)
    return out.getvalue().strip()


def test_the_printed_key_works_with_its_roles_scopes(api):
    secret = issue("--service-name", "prometheus", "--role", "metrics")

    assert secret.startswith("msvc_")
    assert api.get("/metrics", HTTP_X_API_KEY=secret).status_code == 200
    assert api.get("/api/v1/admin/keys", HTTP_X_API_KEY=secret).status_code == 403


def test_an_unknown_role_makes_nothing():
    with pytest.raises(CommandError):
        issue("--service-name", "x", "--role", "emperor")

    assert ApiKey.objects.count() == 0


def test_an_overlong_name_makes_nothing():
    with pytest.raises(ValidationError):
        issue("--service-name", "x", "--role", "metrics", "--name", "n" * 129)

    assert ApiKey.objects.count() == 0


def test_metrics_need_a_key(api):
    assert api.get("/metrics").json()["code"] == "missing_key"
