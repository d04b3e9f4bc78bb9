"""Whether what record() gets fits the schema of its kind, asked of an independent validator."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.db.models.signals import post_save
from jsonschema import Draft202012Validator

from events.kinds import Kind
from events.models import Event
from events.payloads import PAYLOADS
from events.schemas import schema_of

NOTE = re.compile(r"mail:\d+")  # what chained.note() tells of: no letter has such an id


@cache
def validator(kind: Kind) -> Draft202012Validator:
    return Draft202012Validator(schema_of(kind))


def faults_of(event: Event) -> list[str]:
    """Of a kind that there is; tests make others too, and notes with details of any shape."""
    if event.kind not in set(Kind) or NOTE.fullmatch(event.subject):
        return []
    kind = Kind(event.kind)
    details = json.loads(event.details) if event.details else {}
    return [f"{kind}: {fault.json_path} {fault.message}" for fault in errors(kind, details)]


def errors(kind: Kind, details: Any) -> list[Any]:
    return list(validator(kind).iter_errors(details))


STRINGS = ("x", "0" * 32, "0" * 64, "2026-11-23T00:00:00Z", "key:1")


def fitting(kind: Kind) -> dict[str, Any]:
    """The least that its schema takes."""
    return {
        name: value_of(field.schema) for name, field in PAYLOADS[kind].items() if not field.optional
    }


def value_of(schema: dict[str, Any]) -> Any:
    """The first of these that fits."""
    whole = {name: value_of(each) for name, each in schema.get("properties", {}).items()}
    tries = [*schema.get("enum", ()), *STRINGS, 0, True, [], {}, whole]
    return next(each for each in tries if Draft202012Validator(schema).is_valid(each))


@contextmanager
def watched() -> Iterator[list[str]]:
    """Faults of all events that this process writes meanwhile."""
    faults: list[str] = []

    def look(instance: Event, created: bool, **_: Any) -> None:
        if created:
            faults.extend(faults_of(instance))

    post_save.connect(look, sender=Event)
    try:
        yield faults
    finally:
        post_save.disconnect(look, sender=Event)


def told_in_a_cell(kind: Kind) -> str:
    """As the table of docs/events.md says it: ``?`` may be missing, ``*`` no webhook tells it."""
    marks = (
        f"{name}{'?' * field.optional}{'*' * field.private}"
        for name, field in PAYLOADS[kind].items()
    )
    return " ".join(f"`{mark}`" for mark in marks)
