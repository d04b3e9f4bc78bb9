"""The claim page: a button on GET (mail scanners open links), the key once on POST; both capped.

Where the member has an SFTP account the same POST may set its password, which is sent on and kept
nowhere.
"""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from apikeys.services.keys import IssuedKey
from events import refusals
from momentry.common import throttle
from momentry.common.errors import MomentryError
from provisioning.claimforms import PasswordForm
from provisioning.models import Chance, ClaimLink
from provisioning.services.claims import (
    claim_key,
    claim_password,
    claim_url,
    find_claim,
    make_password_claim,
)
from provisioning.services.passwords import can_set_password, set_password
from provisioning.sftpgo.client import SftpgoError

PASSWORDS = ("password", "again")


@method_decorator(never_cache, name="dispatch")
@method_decorator(sensitive_post_parameters(*PASSWORDS), name="dispatch")
class ClaimPage(View):
    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if str(request.method).lower() not in self.http_method_names:
            return self.http_method_not_allowed(request)
        try:
            throttle.spend(request, throttle.CLAIM_ADDRESS, throttle.address_of(request))
        except throttle.TooManyError as error:
            if error.is_first:  # the others would cost a write each
                note("claim_throttled", request)
            return wait_page(request, error)
        try:
            response = super().dispatch(request, *args, **kwargs)
        except MomentryError as error:
            note("claim_refused", request)
            return page(request, "claim/gone.html", {"detail": error.detail}, error.code.status)
        assert isinstance(response, HttpResponse)  # noqa: S101  no streams here
        return response

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        link = find_claim(token)
        return offer(request, link, form_for(link))

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        link = find_claim(token)
        form = form_for(link, request)
        if form is not None and not form.is_valid():
            return offer(request, link, form, HTTPStatus.UNPROCESSABLE_ENTITY)
        password = form.cleaned_data["password"] if form is not None else ""
        if link.chance == Chance.PASSWORD:
            return set_alone(request, link, token, password)
        issued = claim_key(token)
        return page(request, "claim/key.html", {"issued": issued, **sftp_of(issued, password)})


def note(code: str, request: HttpRequest) -> None:
    """The token is a credential: who shows a wrong one is refused as with a wrong key."""
    refusals.note(code, address=str(request.META.get("REMOTE_ADDR", "")))


def form_for(link: ClaimLink, request: HttpRequest | None = None) -> PasswordForm | None:
    """None where there is no SFTP account to set a password for."""
    owner = link.key.owner
    if owner is None or not can_set_password(owner):
        return None
    optional = link.chance == Chance.KEY
    return PasswordForm(request.POST if request else None, member=owner, optional=optional)


@sensitive_variables("password")
def sftp_of(issued: IssuedKey, password: str) -> dict[str, object]:
    """What became of the password, for the page that shows the key whatever became of it."""
    owner = issued.key.owner
    if owner is None or not (password or can_set_password(owner)):
        return {}
    actor = f"member:{owner.pk.hex}"
    if not password:
        return {"later": link_for_later(issued, actor)}
    try:
        set_password(owner, password, actor=actor)
    except (SftpgoError, Error):
        return {"failed": True, "later": link_for_later(issued, actor)}
    return {"sftp": True}


def link_for_later(issued: IssuedKey, actor: str) -> str:
    """ "" while the database is away: the key must be shown all the same, it comes only once."""
    try:
        return claim_url(make_password_claim(issued.key, actor=actor))
    except Error:
        return ""


@sensitive_variables("password", "token")
def set_alone(request: HttpRequest, link: ClaimLink, token: str, password: str) -> HttpResponse:
    try:
        claim_password(token, password)
    except SftpgoError:
        told: dict[str, object] = {"detail": "The file server did not answer"}
        return page(request, "claim/away.html", told, HTTPStatus.SERVICE_UNAVAILABLE)
    return page(request, "claim/done.html", {"link": link})


def wait_page(request: HttpRequest, error: MomentryError) -> HttpResponse:
    response = page(request, "claim/wait.html", {"detail": error.detail}, error.code.status)
    response.headers["Retry-After"] = str(error.extra["retry_after"])
    return response


def offer(
    request: HttpRequest, link: ClaimLink, form: PasswordForm | None, status: int = HTTPStatus.OK
) -> HttpResponse:
    owner = link.key.owner
    name = (owner.display_name or owner.username) if owner else link.key.service_name
    template = "claim/password.html" if link.chance == Chance.PASSWORD else "claim/offer.html"
    context = {"link": link, "key": link.key, "name": name, "form": form}
    return page(request, template, context, status)


def page(
    request: HttpRequest, template: str, context: dict[str, object], status: int = HTTPStatus.OK
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


claim_page = ClaimPage.as_view()
