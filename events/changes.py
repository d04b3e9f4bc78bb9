"""What an event tells of a change: which fields are others now, as they were and as they are."""

from collections.abc import Mapping
from typing import Any


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Of what ``after`` names. Never give it a secret."""
    names = sorted(name for name, value in after.items() if before.get(name) != value)
    return {
        "fields": names,
        "before": {name: before.get(name) for name in names},
        "after": {name: after[name] for name in names},
    }


def without_ids(values: Mapping[str, Any]) -> dict[str, Any]:
    """Foreign keys under the field's own name."""
    return {name.removesuffix("_id"): value for name, value in values.items()}
