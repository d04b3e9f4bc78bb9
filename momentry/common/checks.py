"""System checks of the kernel; each id is stable."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.core.checks import CheckMessage, Error, Tags, register

from momentry.common.crypto.fields import EncryptedField

SHOWING = ("list_display", "readonly_fields", "fields", "list_filter", "search_fields", "ordering")


@register(Tags.admin)
def encrypted_fields_in_admin(
    app_configs: Sequence[AppConfig] | None,
    **_: Any,
) -> list[CheckMessage]:
    """momentry.E012: an admin page that names an encrypted field would print its plaintext."""
    if not admin.site._registry:  # the pages are known once the URLs were asked for
        admin.autodiscover()
    return [
        Error(
            f"{attribute} names the encrypted field {name!r}, whose plaintext it would show.",
            hint="Show a method that masks it.",
            obj=type(page),
            id="momentry.E012",
        )
        for page in admin.site._registry.values()
        for attribute, name in named(page)
        if name.lstrip("-") in encrypted_names(page.model)
    ]


def named(page: Any) -> Iterator[tuple[str, str]]:
    for attribute in SHOWING:
        for item in getattr(page, attribute, None) or ():
            names = item if isinstance(item, list | tuple) else (item,)
            yield from ((attribute, name) for name in names if isinstance(name, str))


def encrypted_names(model: Any) -> set[str]:
    return {field.name for field in model._meta.fields if isinstance(field, EncryptedField)}
