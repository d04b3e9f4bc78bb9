"""Pages of other people's models, which have no services of ours: what their forms save is recorded
in the same transaction, before and after."""

from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.staff import StaffAdmin, actor_of

M = TypeVar("M", bound=Model)


class Recorded(StaffAdmin[M], Generic[M]):
    """``kinds``: of a row that was made, changed and deleted."""

    kinds: ClassVar[tuple[Kind, Kind, Kind]]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The last that a form saves: its relations to other rows."""
        super().save_related(request, form, formsets, change)
        created, updated, _ = self.kinds
        names = form.changed_data if change else list(form.cleaned_data)
        after = {name: shown(form.cleaned_data.get(name)) for name in names}
        if not change:
            note(created, form.instance, request, after=after)
            return
        before = {name: shown(form.initial.get(name)) for name in names}
        note(updated, form.instance, request, **changes(before, after))

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        """Recorded first: the row still has its id and its name."""
        note(self.kinds[2], obj, request, name=str(obj))
        super().delete_model(request, obj)


def note(kind: Kind, row: Model, request: HttpRequest, **details: Any) -> None:
    record(kind, actor=actor_of(request), subject=subject_of(row), **details)


def subject_of(row: Model) -> str:
    return f"{row._meta.model_name}:{row.pk}"


def shown(value: Any) -> Any:
    """Rows by their names."""
    if isinstance(value, Model):
        return str(value)
    if isinstance(value, QuerySet | list | tuple):
        return sorted(map(str, value))
    return value if value is None or isinstance(value, bool | int) else str(value)


def note_changed(kind: Kind, row: Model, request: HttpRequest, before: dict[str, Any]) -> None:
    """What was written without a form, if it was."""
    change = changes(before, {name: shown(getattr(row, name)) for name in before})
    if change["fields"]:
        note(kind, row, request, **change)
