"""Pages that save through services: a refusal becomes a message, and nothing is saved."""

from typing import Any, Generic, TypeVar

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from momentry.common.errors import MomentryError
from momentry.common.staff import StaffAdmin

M = TypeVar("M", bound=Model)


class RefusalsShown(StaffAdmin[M], Generic[M]):
    """Django's views are one transaction each: what was saved before the refusal is rolled back."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except MomentryError as error:
            return self.refused(request, error)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().delete_view(request, *args, **kwargs)
        except MomentryError as error:
            return self.refused(request, error)

    def refused(self, request: HttpRequest, error: MomentryError) -> HttpResponse:
        problems = error.extra.get("errors", [])
        details = [f"{problem['pointer'][2:]} {problem['detail']}" for problem in problems]
        self.message_user(request, "; ".join(details) or error.detail, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())
