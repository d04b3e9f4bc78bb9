"""Export and import of keys in the admin: buttons above the list of keys.

An import is tried first and reports; what was tried without a problem can then be confirmed.
"""

from typing import Any, Final, NamedTuple

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from unfold.decorators import action as unfold_action
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from apikeys.admin.keys_deeds import maker_of
from apikeys.api.entries import Usual, to_import
from apikeys.api.exporting import export_response
from apikeys.models import ApiKey
from apikeys.services.bulk.export import CSV, JSON_LINES
from apikeys.services.bulk.importing import import_batch
from apikeys.services.bulk.reading import Document, Problem, read
from apikeys.services.bulk.select import Conditions
from momentry.common.errors import MomentryError
from momentry.common.staff import DENIED, ReadOnlyAdmin, actor_of

MOST_BYTES: Final = 5 * 1024**2  # the page carries it until it is confirmed
MOST_PROBLEMS: Final = 200
LEAD: Final = (
    'A file as an export writes it (JSON lines), or {"keys": […]}, with hashes of secrets where '
    "clients keep theirs. It is tried first: nothing is imported before you confirm."
)  # fmt: skip


class ImportForm(forms.Form):
    file = forms.FileField(required=False, widget=UnfoldAdminFileFieldWidget)
    text = forms.CharField(
        required=False, label="Or paste it", strip=False, widget=UnfoldAdminTextareaWidget
    )

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        file, text = cleaned.get("file"), cleaned.get("text") or ""
        if bool(file) == bool(text.strip()) and not self.errors:
            raise forms.ValidationError("Choose a file or paste its text, one of the two.")
        if (file.size if file else len(text)) > MOST_BYTES:
            raise forms.ValidationError(
                f"At most {MOST_BYTES >> 20} MiB here; the command line takes more."
            )
        cleaned["data"] = file.read() if file else text.encode("utf-8", "surrogatepass")
        return cleaned


class Report(NamedTuple):
    """What a try found: how many keys, and lines about what is wrong."""

    found: int
    lines: list[str]
    more: int = 0


class BulkPages(ReadOnlyAdmin[ApiKey]):
    """The buttons; ``for_viewers`` are those that staff who only look may press."""

    for_viewers = frozenset({"export_csv", "export_json_lines"})

    @unfold_action(description="Export CSV", icon="download")  # type: ignore[untyped-decorator]  # unfold has no types
    def export_csv(self, request: HttpRequest) -> HttpResponseBase:
        return self.export(request, CSV)

    @unfold_action(description="Export JSON lines", icon="download")  # type: ignore[untyped-decorator]  # unfold has no types
    def export_json_lines(self, request: HttpRequest) -> HttpResponseBase:
        return self.export(request, JSON_LINES)

    def export(self, request: HttpRequest, form: str) -> HttpResponseBase:
        """Every key, masked; filters are the API's and the command's matter."""
        if not self.has_view_permission(request):
            raise PermissionDenied(DENIED)
        return export_response(request, Conditions(), form, actor=actor_of(request))

    @unfold_action(description="Import", icon="upload")  # type: ignore[untyped-decorator]  # unfold has no types
    def import_keys(self, request: HttpRequest) -> HttpResponse:
        """For superusers: an import hands out anything."""
        if not getattr(request.user, "is_superuser", False):
            raise PermissionDenied(DENIED)
        form = ImportForm(request.POST or None, request.FILES or None)
        if request.method != "POST" or not form.is_valid():
            return self.ask_for_file(request, form)
        data = form.cleaned_data["data"]
        sure = request.POST.get("confirmed") == "yes"
        report = attempt(request, read(data), dry_run=not sure)
        if not sure or report.lines:
            text = "" if report.lines else data.decode("utf-8-sig")
            return self.ask_for_file(request, form, report, text)
        self.message_user(request, f"Keys imported: {report.found}.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:apikeys_apikey_changelist"))

    def ask_for_file(
        self,
        request: HttpRequest,
        form: ImportForm,
        report: Report | None = None,
        text: str = "",
    ) -> HttpResponse:
        back = reverse("admin:apikeys_apikey_changelist")
        context = {"form": form, "lead": LEAD, "report": report, "text": text, "back": back}
        response = self.page(request, "staff/import.html", "Import keys", context)
        add_never_cache_headers(response)
        return response


def attempt(request: HttpRequest, document: Document, *, dry_run: bool) -> Report:
    problems = list(document.problems)
    if not document.entries and not problems:
        problems.append(Problem("#/keys", "there is no key in the file"))
    wanted, wrong = to_import(document.entries, Usual())
    try:
        keys = import_batch(
            wanted, maker=maker_of(request), problems=[*problems, *wrong], dry_run=dry_run
        )
    except MomentryError as error:
        found = [Problem(item["pointer"], item["detail"]) for item in error.extra["errors"]]
        lines = [document.lines.say(problem) for problem in found]
        return Report(0, lines[:MOST_PROBLEMS], max(0, len(lines) - MOST_PROBLEMS))
    return Report(len(keys), [])
