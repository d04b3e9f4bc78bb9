"""The claim page: a button on GET (mail scanners open links), the key once on POST; both capped."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from momentry.common import throttle
from momentry.common.errors import MomentryError
from provisioning.models import ClaimLink
from provisioning.services.claims import claim_key, find_claim


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("issued", "token")
def claim_page(request: HttpRequest, token: str) -> HttpResponse:
    try:
        throttle.spend(request, throttle.CLAIM_ADDRESS, throttle.address_of(request))
    except MomentryError as error:
        return wait_page(request, error)
    try:
        if request.method != "POST":
            link = find_claim(token)
            return page(request, "claim/offer.html", offer(link))
        issued = claim_key(token)
    except MomentryError as error:
        return page(request, "claim/gone.html", {"detail": error.detail}, error.code.status)
    return page(request, "claim/key.html", {"issued": issued})


def wait_page(request: HttpRequest, error: MomentryError) -> HttpResponse:
    response = page(request, "claim/wait.html", {"detail": error.detail}, error.code.status)
    response.headers["Retry-After"] = str(error.extra["retry_after"])
    return response


def offer(link: ClaimLink) -> dict[str, object]:
    owner = link.key.owner
    name = (owner.display_name or owner.username) if owner else link.key.service_name
    return {"link": link, "key": link.key, "name": name}


def page(
    request: HttpRequest, template: str, context: dict[str, object], status: int = 200
) -> HttpResponse:
    """The token in the address must not travel on, and the page needs nothing from anywhere."""
    context = {**context, "site": settings.PUBLIC_URL}
    response = render(request, template, context, status=status)
    # Not no-referrer: under it browsers send "Origin: null" with the form, which CSRF refuses.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return response
