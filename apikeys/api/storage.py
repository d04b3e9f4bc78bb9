"""Storage as RateLimit fields: of answers to members about their own videos, uploads and page."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.services.allowance import Allowance, allowance_in, allowance_of
from apikeys.gate.verdict import Limit
from momentry.common.access import access_of

UNIT: Final = "content-bytes"
LARGEST: Final = 10**15 - 1  # an integer of RFC 9651
DAY: Final = 86_400

if TYPE_CHECKING:  # DRF loads this module while it loads its own views
    from rest_framework.views import APIView as View
else:
    View = object


class TellsStorage(View):
    """A view whose answers to a member's key tell what its member may still store. An answer that
    brings the ``owner``'s row of now, as its transaction left it, saves asking for it.
    """

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        http: Any = request._request
        member = getattr(http, "member", None)
        if member is not None and access_of(http).is_member_key and response.status_code < 500:
            left = told(member.pk, getattr(response, "owner", None))
            response.storage = left  # type: ignore[attr-defined]  # for the middleware
        return response


def told(member_id: UUID, row: User | None) -> tuple[Limit, ...]:
    """Of a member whose row cannot be read just now: nothing."""
    try:
        if row is not None and row.pk == member_id:
            return limits_of(allowance_in(row))
        return limits_of(allowance_of(member_id))
    except (OperationalError, InterfaceError):
        return ()


def limits_of(allowance: Allowance) -> tuple[Limit, ...]:
    """No time alone frees storage, and of a rolling day no moment frees it all."""
    found = []
    quota, used, reserved = allowance.storage
    if quota is not None:
        found.append(limit("storage", quota, used + reserved, 0))
    if allowance.daily is not None:
        found.append(limit("storage-day", *allowance.daily, DAY))
    return tuple(found)


def limit(name: str, quota: int, used: int, window: int) -> Limit:
    left = max(0, min(quota - used, LARGEST))
    return Limit(name, UNIT, min(quota, LARGEST), left, None, window)


def whole_storage(member_id: UUID) -> dict[str, Any]:
    """For WholeStorageSerializer."""
    found = allowance_of(member_id)
    return {**found.storage._asdict(), "daily": found.daily and found.daily._asdict()}
