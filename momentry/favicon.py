"""/favicon.ico: our own key, so that no browser asks in vain or elsewhere."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

ICON: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#7c3aed"'
    b' stroke-width="2.5"><circle cx="8" cy="12" r="5"/><path d="M13 12h10m-3 0v5m-4-5v3"/></svg>'
)


@require_safe
@cache_control(public=True, max_age=604_800)
def favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ICON, content_type="image/svg+xml")
