"""Refusals of the services as one sentence each, and exit code 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.db import InterfaceError, OperationalError
from rest_framework import exceptions

from momentry.common.errors import MomentryError
from momentry.common.handlers import as_momentry_error

KNOWN: Final = (
    MomentryError, ValidationError, exceptions.ValidationError, OperationalError, InterfaceError,
)  # fmt: skip


@contextmanager
def told() -> Iterator[None]:
    try:
        yield
    except KNOWN as error:
        known = as_momentry_error(error)
        assert known is not None  # noqa: S101  it knows these
        problems = known.extra.get("errors", ())
        words = [f"{each['pointer'].removeprefix('#/')}: {each['detail']}" for each in problems]
        raise CommandError("\n".join(words or [known.detail])) from None
