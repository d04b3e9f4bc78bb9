"""Whose videos a request is about: the calling key's member, or whom SFTPGo's hook names."""

from typing import Any, Final

from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from momentry.common.access import HasScope, access_of, member_may
from momentry.common.errors import MomentryError

NAMING: Final = "X-SFTPGo-User"
HOOKS: Final = "hooks:sftpgo"


class NamesMember(HasScope):
    """As the view's scopes say; a request that names a member takes a service's key of hooks."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if NAMING not in request.headers:
            return super().has_permission(request, view)
        access = access_of(request._request)
        if not access.actor.startswith("key:"):
            raise MomentryError("missing_key")
        if access.is_member_key:  # no scope would help, so none is named
            raise MomentryError("permission_denied", f"A member's key may not send {NAMING}.")
        return member_may(access, HOOKS)


def calling_member(request: Request) -> User:
    """Whose key calls. A service's key has no videos, whoever its owner is."""
    http: Any = request._request
    if http.member is None or not access_of(http).is_member_key:
        raise MomentryError("permission_denied", "Only members' keys have videos.")
    found: User = http.member
    return found


def meant_member(request: Request) -> User:
    """The one that is named, by NamesMember's leave, else whose key calls."""
    name = request.headers.get(NAMING)
    if name is None:
        return calling_member(request)
    found = User.objects.filter(sftpgo_username=as_sent(name), is_staff=False).first()
    if found is None:
        problem = {"detail": "is no member's name in SFTPGo", "pointer": NAMING}
        raise MomentryError("invalid_input", errors=[problem])
    return found


def as_sent(header: str) -> str:
    """HTTP's header values are bytes; SFTPGo's names are UTF-8, and Django reads Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
