"""EncryptedField around its rows: loading, migrations, and the system checks that guard it."""

import subprocess
import sys
from typing import Any

import pytest
from django.apps.registry import Apps
from django.contrib import admin
from django.core import checks
from django.db import models

from events.models import Mail
from momentry.common.checks import encrypted_fields_in_admin
from momentry.common.crypto.fields import EncryptedField

OVERRIDE = """
import django; django.setup()
from django.test import override_settings
from momentry.common.crypto.keyring import get_ring
place = {"table": "t", "column": "c", "row_id": 7}
with override_settings(DEBUG=True):
    envelope = get_ring().seal("text", **place)
print(get_ring().open(envelope, **place))
"""


def test_first_use_under_overridden_settings_leaves_a_working_ring() -> None:
    command = [sys.executable, "-c", OVERRIDE]

    done = subprocess.run(command, check=True, capture_output=True, text=True)

    assert done.stdout.splitlines()[-1] == "text"


def test_migrations_rebuild_the_field() -> None:
    field: EncryptedField[Any, Any] = EncryptedField(null=True, max_length=9)
    _, path, args, kwargs = field.deconstruct()

    assert path == "momentry.common.crypto.fields.EncryptedField"
    assert (args, kwargs) == ([], {"null": True, "max_length": 9})
    assert EncryptedField(*args, **kwargs).editable is False


def test_a_model_whose_key_the_database_makes_is_refused_by_check() -> None:
    class Numbered(models.Model):
        secret: EncryptedField[str, str] = EncryptedField(unique=True)

        class Meta:
            app_label = "tests_only"
            apps = Apps()  # of its own: the project's has no such table

        def __str__(self) -> str:
            return ""

    found = {message.id for message in Numbered._meta.get_field("secret").check()}

    assert found == {"momentry.E010", "momentry.E011"}
    with pytest.raises(ValueError, match="not known yet"):
        Numbered._meta.get_field("secret").pre_save(Numbered(secret="x"), add=True)


def test_an_admin_page_that_names_an_encrypted_field_is_refused_by_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Page(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in its stubs only
        list_display = ("template", "recipient")
        fields = (("template", "locale"),)

    assert encrypted_fields_in_admin(None) == []
    pages: dict[Any, Any] = admin.site._registry
    monkeypatch.setitem(pages, Mail, Page(Mail, admin.site))

    (message,) = encrypted_fields_in_admin(None)
    assert (message.id, message.level) == ("momentry.E012", checks.ERROR)
