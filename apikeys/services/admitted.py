"""The row of a key that the gate admitted, with its owner's: what the ORM would fetch, by a
statement whose text is made once. Every call of the REST API with a key asks it.
"""

from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, models

from accounts.models import User
from apikeys.models import ApiKey

M = TypeVar("M", bound=models.Model)


class Columns(Generic[M]):
    """All of one model's, under ``alias``, and how a row of theirs is read."""

    def __init__(self, model: type[M], alias: str) -> None:
        fields = model._meta.concrete_fields
        self.model = model
        self.names = [field.attname for field in fields]
        self.text = ", ".join(f'{alias}."{field.column}"' for field in fields)
        self.converters = [
            (place, convert)
            for place, field in enumerate(fields)
            for convert in field.get_db_converters(connection)
        ]

    def read(self, row: tuple[Any, ...]) -> M:
        values = list(row)
        for place, convert in self.converters:
            values[place] = convert(values[place], None, connection)
        return self.model.from_db(DEFAULT_DB_ALIAS, self.names, values)


class Statement(NamedTuple):
    text: str
    keys: Columns[ApiKey]
    owners: Columns[User]


FROM: Final = """
  FROM apikeys_apikey AS key LEFT JOIN accounts_user AS owner ON owner.id = key.owner_id
 WHERE key.id = %s
"""


@cache
def statement() -> Statement:
    keys, owners = Columns(ApiKey, "key"), Columns(User, "owner")
    return Statement(f"SELECT {keys.text}, {owners.text}{FROM}", keys, owners)


def find_admitted(key_id: UUID) -> ApiKey | None:
    text, keys, owners = statement()
    with connection.cursor() as cursor:
        cursor.execute(text, [key_id])
        row = cursor.fetchone()
    if row is None:
        return None
    key, place = keys.read(row[: len(keys.names)]), len(keys.names)
    key.owner = owners.read(row[place:]) if key.owner_id else None
    return key
