"""Pages that save through services, with grants in them."""

from typing import Any, Generic, TypeVar

from django.db.models import Model
from django.http import HttpRequest

from apikeys.admin.keys_deeds import maker_of
from apikeys.models import Grant
from apikeys.services.grants import delete_grant, save_grant
from momentry.common import refusals

M = TypeVar("M", bound=Model)


class RefusalsShown(refusals.RefusalsShown[M], Generic[M]):
    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Grants through their service, each with its event."""
        if formset.model is not Grant:
            super().save_formset(request, form, formset, change)
            return
        maker = maker_of(request)
        formset.save(commit=False)
        for grant in formset.deleted_objects:
            delete_grant(grant, maker=maker)
        for grant in [*(row for row, _ in formset.changed_objects), *formset.new_objects]:
            save_grant(grant, maker=maker)
