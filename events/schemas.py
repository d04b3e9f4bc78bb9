"""The payloads of events as JSON Schema (2020-12), for docs/events.schema.json and for tests."""

from typing import Any

from events.kinds import Kind
from events.payloads import PAYLOADS
from events.shapes import object_schema


def schema_of(kind: Kind) -> dict[str, Any]:
    """Of all that is kept with an event of this kind."""
    return object_schema(PAYLOADS[kind])


def told_schema_of(kind: Kind) -> dict[str, Any]:
    """Of what a webhook is told of it, beside its id, actor and subject."""
    open_fields = {name: field for name, field in PAYLOADS[kind].items() if not field.private}
    return object_schema(open_fields)


def document() -> dict[str, Any]:
    """All of them. What is marked ``x-private`` no webhook tells."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Details of momentry's events",
        "$defs": {kind.value: marked(kind) for kind in sorted(Kind)},
    }


def marked(kind: Kind) -> dict[str, Any]:
    schema = schema_of(kind)
    for name, field in PAYLOADS[kind].items():
        if field.private:
            schema["properties"][name] = {**field.schema, "x-private": True}
    return schema
