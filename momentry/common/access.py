"""Who calls a REST view and may they: DRF authentication and permission over what the gate found.

``apikeys.middleware`` puts an Access on every API request. A staff session counts on admin routes
only, only when no credential header was sent, and with CSRF.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from momentry.common.errors import MomentryError
from momentry.common.scopes import holds

if TYPE_CHECKING:  # DRF loads this module while it loads its own views
    from rest_framework.views import APIView

ADMIN_TOKEN: Final = "admin-token"  # noqa: S105  the name of an actor, not a secret


class Access(NamedTuple):
    """``actor``: "admin-token", "key:<id>", "staff:<id>" or "" for nobody."""

    actor: str = ""
    scopes: frozenset[str] = frozenset()
    is_member_key: bool = False


NOBODY: Final = Access()


class GatedRequest(HttpRequest):
    """What ApiKeyMiddleware puts on a request; member and api_key only when a key was shown."""

    access: Access
    member: Any
    api_key: Any
    limits: tuple[Any, ...]


def access_of(request: HttpRequest | Request) -> Access:
    found: Access = getattr(request, "access", NOBODY)
    return found


class GateAuthentication(BaseAuthentication):
    """``request.user`` is the member, the staff user or None; ``request.auth`` the Access."""

    def authenticate(self, request: Request) -> tuple[Any, Access] | None:
        http = request._request
        access = access_of(http)
        if access.actor:
            return getattr(http, "member", None), access
        user = getattr(http, "user", None)
        if user is None or not (user.is_authenticated and user.is_staff):
            return None
        refuse_forged(http)
        return user, Access(actor=f"staff:{user.pk}")

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="momentry"'


def refuse_forged(request: HttpRequest) -> None:
    """A session is sent by browsers unasked: a write needs the CSRF token too."""
    check = CSRFCheck(lambda _: HttpResponse())  # the view it would call is never reached
    check.process_request(request)
    reason = check.process_view(request, lambda _: HttpResponse(), (), {})
    if reason:
        raise MomentryError("csrf_failed", f"{reason}.")


class HasScope(BasePermission):
    """Views declare ``scopes`` by method, and ``staff_permissions`` when they are admin routes.

    ``scopes["GET"] = ""`` asks for a key without asking for a scope. A method that is not
    declared is refused: deny by default.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        access = access_of(request._request)
        if isinstance(request.auth, Access):
            access = request.auth
        needed: str | None = getattr(view, "scopes", {}).get(request.method)
        permissions: dict[str, str] | None = getattr(view, "staff_permissions", None)
        if not access.actor or (permissions is None and not access.actor.startswith("key:")):
            raise MomentryError("missing_key")
        if needed is None:
            raise MomentryError("method_not_allowed", allow=", ".join(view.allowed_methods))
        if permissions is None:
            return member_may(access, needed)
        return admin_may(request, access, needed, permissions.get(request.method or "", ""))


def member_may(access: Access, needed: str) -> bool:
    """Routes of the key's own member."""
    if needed and not holds(access.scopes, needed):
        raise MomentryError("insufficient_scope", f"This needs the scope {needed}.", scope=needed)
    return True


def admin_may(request: Request, access: Access, needed: str, permission: str) -> bool:
    """Admin routes: ADMIN_TOKEN, a service or admin key whose scopes say so, or staff."""
    if access.actor == ADMIN_TOKEN:
        return True
    if access.actor.startswith("staff:"):
        if request.user.is_active and request.user.has_perm(permission):
            return True
        raise MomentryError("permission_denied", f"This needs the permission {permission}.")
    if access.is_member_key:  # no scope would help, so none is named
        raise MomentryError("permission_denied", "This route is for services' keys, not members'.")
    if not holds(access.scopes, needed):
        raise MomentryError("insufficient_scope", f"This needs the scope {needed}.", scope=needed)
    return True
