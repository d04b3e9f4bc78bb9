"""What a field of a payload may hold, by JSON Schema (2020-12), and who may be told."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple


class Field(NamedTuple):
    """``optional``: it may be missing. ``private``: it is read here, and no webhook tells it."""

    schema: dict[str, Any]
    optional: bool = False
    private: bool = False

    def maybe(self) -> "Field":
        return self._replace(optional=True)

    def kept(self) -> "Field":
        return self._replace(private=True)

    def or_none(self) -> "Field":
        return self._replace(schema={**self.schema, "type": [self.schema["type"], "null"]})


Fields = dict[str, Field]


def one_of(words: Iterable[str]) -> Field:
    return Field({"type": "string", "enum": list(words)})


def list_of(field: Field) -> Field:
    return Field({"type": "array", "items": field.schema})


def record_of(**fields: Field) -> Field:
    """An object of just these."""
    return Field(object_schema(fields))


def object_schema(fields: Fields) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: field.schema for name, field in fields.items()},
        "required": [name for name, field in fields.items() if not field.optional],
        "additionalProperties": False,
    }


HEX: Final = "[0-9a-f]"
WORD: Final = Field({"type": "string", "pattern": r"^[A-Za-z0-9_.:-]*$"})
"""Of our own making: a name in code, a slug, a path's operation."""
TEXT: Final = Field({"type": "string"})
PRIVATE: Final = TEXT.kept()
"""What a person wrote, or where somebody is."""
COUNT: Final = Field({"type": "integer", "minimum": 0})
NUMBER: Final = Field({"type": "number"})
YES: Final = Field({"type": "boolean"})
MOMENT: Final = Field({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"})
"""RFC 3339, in UTC."""
UUID: Final = f"{HEX}{{8}}(-{HEX}{{4}}){{3}}-{HEX}{{12}}"
ID: Final = Field({"type": "string", "pattern": f"^({HEX}{{32}}|{UUID})$"})
DIGEST: Final = Field({"type": "string", "pattern": f"^{HEX}{{64}}$"})
REFERENCE: Final = Field({"type": "string", "pattern": r"^[a-z-]+:[A-Za-z0-9_.:-]+$"})
"""``kind:id``, as actors and subjects are."""
NAMES: Final = list_of(WORD)
FREE: Final = Field({"type": "object"})
"""An object whose names are those of a row's fields, or of limits."""
