"""Indexes that more than one model of this app has."""

from typing import Any

from django.db.models import F, Index


def newest(name: str, *first: str, **given: Any) -> Index:
    """For a list, newest first."""
    return Index(*first, F("created_at").desc(), F("id").desc(), name=name, **given)
