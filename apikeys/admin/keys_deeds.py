"""What staff can do to keys, and in which state a key can have it done."""

from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apikeys.gate.scopes import MEMBER_SCOPES
from apikeys.models import ApiKey, KeyType
from apikeys.services.keys import revoke_key
from apikeys.services.life import disable_key, enable_key, quarantine_key
from apikeys.services.makers import Maker, system
from momentry.common.staff import GREEN, ORANGE, RED, Deed, Order, actor_of

ADD: Final = "apikeys.add_apikey"
CHANGE: Final = "apikeys.change_apikey"
DELETE: Final = "apikeys.delete_apikey"
COLOURS: Final = {
    "usable": GREEN, "unclaimed": ORANGE, "expired": ORANGE, "purged": RED,
    "revoked": RED, "quarantined": RED, "disabled": RED,
}  # fmt: skip
ENDS: Final = ("purged", "revoked", "quarantined", "disabled")
ENDING: Final = {"disable_this", "quarantine_this", "revoke_this"}
POSSIBLE: Final[dict[str, set[str]]] = {
    "usable": ENDING | {"rotate_this", "limits_this"},
    "unclaimed": ENDING | {"limits_this"},
    "expired": ENDING | {"limits_this"},
    "disabled": {"enable_this", "rotate_this", "limits_this", "quarantine_this", "revoke_this"},
    "quarantined": {"revoke_this"},
}


def state_of(key: ApiKey, at: datetime) -> str:
    """One word for a key; the order is the gate's."""
    for name in ENDS:
        if getattr(key, f"{name}_at") is not None:
            return name
    if key.expires_at is not None and key.expires_at <= at:
        return "expired"
    return "usable" if key.is_claimed else "unclaimed"


def in_state(state: str, at: datetime) -> Q:
    """The same words as conditions."""
    if state in ENDS:
        before = {f"{name}_at": None for name in ENDS[: ENDS.index(state)]}
        return Q(**before) & ~Q(**{f"{state}_at": None})
    alive = Q(**{f"{name}_at": None for name in ENDS})
    if state == "expired":
        return alive & Q(expires_at__lte=at)
    alive &= Q(expires_at=None) | Q(expires_at__gt=at)
    return alive & Q(digest__isnull=state == "unclaimed")


def revoke(key: ApiKey, order: Order) -> bool:
    return revoke_key(key, actor=order.actor)


def disable(key: ApiKey, order: Order) -> bool:
    return disable_key(key, actor=order.actor)


def quarantine(key: ApiKey, order: Order) -> bool:
    return quarantine_key(key, actor=order.actor, reason=order.reason)


REVOKE: Final = Deed(
    "Revoke", "Keys revoked", "These keys stop working at once and for good:", DELETE, revoke
)
DISABLE: Final = Deed(
    "Disable", "Keys disabled", "These keys are refused until they are enabled:", CHANGE, disable
)
QUARANTINE: Final = Deed(
    "Quarantine", "Keys quarantined",
    "These keys leaked: they stop working at once, with all their old secrets, and for good:",
    CHANGE, quarantine, asks_reason=True,
)  # fmt: skip


def maker_of(request: HttpRequest) -> Maker:
    """Superusers hand out everything, other staff what members may have."""
    if getattr(request.user, "is_superuser", False):
        return system(actor_of(request))
    return Maker(actor_of(request), MEMBER_SCOPES, makes_services=False)


def enabling(maker: Maker) -> Deed:
    """It hands rights back, so it depends on who does it."""

    def enable(key: ApiKey, order: Order) -> bool:
        return enable_key(key, maker=maker)

    return Deed("Enable", "Keys enabled", "These keys work again at once:", CHANGE, enable)


def may_hand_out(request: HttpRequest, key: ApiKey) -> bool:
    """Whoever sees the secret has the key: one that is not a member's is worth a superuser."""
    return key.key_type == KeyType.USER or maker_of(request).makes_services


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state) for state in COLOURS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value()
        return queryset.filter(in_state(state, timezone.now())) if state in COLOURS else queryset
