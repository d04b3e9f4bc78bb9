"""DigestField: what is stored of a secret. Forms leave it out and serialisers refuse it."""

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from django.db import models

_ST = TypeVar("_ST")
_GT = TypeVar("_GT")

if TYPE_CHECKING:

    class Base(models.CharField[_ST, _GT]): ...

else:  # CharField takes parameters in its stubs only

    class Base(models.CharField, Generic[_ST, _GT]): ...


class DigestField(Base[_ST, _GT]):
    """To the database and to migrations a CharField."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": 200, "editable": False} | kwargs)

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs

    def value_to_string(self, obj: models.Model) -> NoReturn:
        """Left out instead, a fixture would take every key's digest away when it is loaded."""
        place = f"{self.model._meta.db_table}.{self.column}"
        raise TypeError(f"{place} is never serialised; back the database up with pg_dump.")
