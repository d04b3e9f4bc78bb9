"""Every write of the REST API: what it is asked with so that it changes something, and which event
says so. What has none is named with the reason."""

from collections.abc import Callable
from typing import Any, Final

from accounts.services import suspend
from apikeys.services.life import disable_key
from events.kinds import Kind
from tests.apikeys.roles import ADMIN, KEYS, OFFERS, TOKENS, House, Route

USERS: Final = f"{ADMIN}users"
CREDENTIALS: Final = f"{OFFERS}targets/{{target_id}}/credentials"
MINE: Final = "/api/v1/me/keys"
HOOKS: Final = f"{ADMIN}webhooks"
VIDEOS, JOBS, UPLOADS = "/api/v1/videos/{id}", "/api/v1/jobs/{id}", "/api/v1/uploads"

RECORDED: Final[dict[str, Kind]] = {
    f"POST {MINE}": Kind.APIKEY_CREATED,
    f"POST {MINE}/{{id}}/rotate": Kind.APIKEY_ROTATED,
    f"POST {MINE}/{{id}}/revoke": Kind.APIKEY_REVOKED,
    f"POST {USERS}": Kind.MEMBER_CREATED,
    f"PUT {USERS}/{{id}}": Kind.MEMBER_UPDATED,
    f"PATCH {USERS}/{{id}}": Kind.MEMBER_UPDATED,
    f"DELETE {USERS}/{{id}}": Kind.MEMBER_DELETED,
    f"POST {USERS}/{{id}}/suspend": Kind.MEMBER_SUSPENDED,
    f"POST {USERS}/{{id}}/resume": Kind.MEMBER_RESUMED,
    f"POST {USERS}/{{id}}/restore": Kind.MEMBER_RESTORED,
    f"POST {USERS}/{{id}}/rename": Kind.MEMBER_UPDATED,
    f"POST {USERS}/{{id}}/merge": Kind.MEMBER_MERGED,
    f"PUT {USERS}/{{id}}/limits": Kind.MEMBER_LIMITS_CHANGED,
    f"POST {ADMIN}provisioning-tasks/{{id}}/retry": Kind.PROVISIONING_RETRIED,
    f"POST {KEYS}": Kind.APIKEY_CREATED,
    f"PATCH {KEYS}/{{id}}": Kind.APIKEY_UPDATED,
    f"DELETE {KEYS}/{{id}}": Kind.APIKEY_REVOKED,
    f"POST {KEYS}/{{id}}/rotate": Kind.APIKEY_ROTATED,
    f"POST {KEYS}/{{id}}/disable": Kind.APIKEY_DISABLED,
    f"POST {KEYS}/{{id}}/enable": Kind.APIKEY_ENABLED,
    f"POST {KEYS}/{{id}}/quarantine": Kind.APIKEY_QUARANTINED,
    f"POST {KEYS}/{{id}}/revoke": Kind.APIKEY_REVOKED,
    f"POST {KEYS}/batch": Kind.APIKEY_CREATED,
    f"POST {KEYS}/batch-revoke": Kind.APIKEY_REVOKED,
    f"POST {KEYS}/import": Kind.APIKEY_CREATED,
    f"GET {KEYS}/export": Kind.APIKEY_EXPORTED,
    f"POST {ADMIN}key-templates": Kind.KEY_TEMPLATE_CREATED,
    f"PATCH {ADMIN}key-templates/{{slug}}": Kind.KEY_TEMPLATE_UPDATED,
    f"DELETE {ADMIN}key-templates/{{slug}}": Kind.KEY_TEMPLATE_DELETED,
    f"POST {ADMIN}tiers": Kind.TIER_CREATED,
    f"PATCH {ADMIN}tiers/{{slug}}": Kind.TIER_UPDATED,
    f"DELETE {ADMIN}tiers/{{slug}}": Kind.TIER_DELETED,
    f"POST {ADMIN}grants": Kind.GRANT_CREATED,
    f"PATCH {ADMIN}grants/{{id}}": Kind.GRANT_UPDATED,
    f"DELETE {ADMIN}grants/{{id}}": Kind.GRANT_DELETED,
    f"POST {ADMIN}upstreams": Kind.UPSTREAM_CREATED,
    f"PUT {ADMIN}upstreams/{{slug}}": Kind.UPSTREAM_UPDATED,
    f"PATCH {ADMIN}upstreams/{{slug}}": Kind.UPSTREAM_UPDATED,
    f"DELETE {ADMIN}upstreams/{{slug}}": Kind.UPSTREAM_DELETED,
    f"POST {CREDENTIALS}": Kind.UPSTREAM_UPDATED,
    f"PATCH {CREDENTIALS}/{{id}}": Kind.UPSTREAM_UPDATED,
    f"DELETE {CREDENTIALS}/{{id}}": Kind.UPSTREAM_UPDATED,
    f"POST {ADMIN}upstreams/{{slug}}/test": Kind.UPSTREAM_TESTED,
    f"POST {OFFERS}models": Kind.UPSTREAM_UPDATED,
    f"PATCH {OFFERS}models/{{id}}": Kind.UPSTREAM_UPDATED,
    f"DELETE {OFFERS}models/{{id}}": Kind.UPSTREAM_UPDATED,
    f"POST {ADMIN}prices": Kind.PRICE_CREATED,
    f"PATCH {ADMIN}prices/{{id}}": Kind.PRICE_UPDATED,
    f"DELETE {ADMIN}prices/{{id}}": Kind.PRICE_DELETED,
    f"POST {ADMIN}ip-rules": Kind.IP_RULE_CREATED,
    f"PATCH {ADMIN}ip-rules/{{id}}": Kind.IP_RULE_UPDATED,
    f"DELETE {ADMIN}ip-rules/{{id}}": Kind.IP_RULE_DELETED,
    f"POST {TOKENS}": Kind.TOKEN_CREATED,
    f"PATCH {TOKENS}/{{id}}": Kind.TOKEN_UPDATED,
    f"DELETE {TOKENS}/{{id}}": Kind.TOKEN_DELETED,
    f"POST {TOKENS}/{{id}}/revoke": Kind.TOKEN_DELETED,
    f"PATCH {VIDEOS}": Kind.VIDEO_UPDATED,
    f"DELETE {VIDEOS}": Kind.VIDEO_DELETED,
    f"POST {VIDEOS}/restore": Kind.VIDEO_RESTORED,
    f"PATCH {ADMIN}videos/{{id}}": Kind.VIDEO_UPDATED,
    f"DELETE {ADMIN}videos/{{id}}": Kind.VIDEO_DELETED,
    f"POST {ADMIN}videos/{{id}}/restore": Kind.VIDEO_RESTORED,
    f"POST {ADMIN}videos/{{id}}/purge": Kind.VIDEO_PURGED,
    f"POST {JOBS}/cancel": Kind.JOB_CANCELLED,
    f"POST {JOBS}/requeue": Kind.JOB_REQUEUED,
    f"POST {ADMIN}jobs/{{id}}/cancel": Kind.JOB_CANCELLED,
    f"POST {ADMIN}jobs/{{id}}/requeue": Kind.JOB_REQUEUED,
    f"POST {ADMIN}jobs/{{id}}/priority": Kind.JOB_UPDATED,
    "POST /api/v1/register": Kind.VIDEO_REGISTERED,
    f"POST {UPLOADS}/{{id}}/commit": Kind.VIDEO_REGISTERED,
    "POST /api/v1/hooks/sftpgo": Kind.VIDEO_REGISTERED,
    f"POST {HOOKS}": Kind.WEBHOOK_CREATED,
    f"PATCH {HOOKS}/{{id}}": Kind.WEBHOOK_UPDATED,
    f"DELETE {HOOKS}/{{id}}": Kind.WEBHOOK_DELETED,
    f"POST {HOOKS}/{{id}}/rotate-secret": Kind.WEBHOOK_ROTATED,
    f"POST {HOOKS}/{{id}}/ping": Kind.WEBHOOK_PING,
    f"POST {ADMIN}deliveries/{{id}}/redeliver": Kind.WEBHOOK_REDELIVERED,
    "PATCH /api/v1/me/letters": Kind.MEMBER_UNSUBSCRIBED,
    f"PATCH {USERS}/{{id}}/letters": Kind.MEMBER_UNSUBSCRIBED,
}
LOGGED: Final = "a call like any other: the request log and the counters have it"
AT_WORK: Final = "a step of a job: its row says who has it; how the job ends is an event"
ROOM: Final = "room for a while: its row says since when and how it ended; the file is an event"
ASKED: Final = "asks a server; what the answer changes (broken, repaired) is an event"
EXEMPT: Final[dict[str, str]] = {
    "POST /api/v1/keys/verify": LOGGED,
    "POST /api/v1/keys/settle": LOGGED,
    "POST /api/v1/jobs/claim": AT_WORK,
    f"POST {JOBS}/heartbeat": AT_WORK,
    f"POST {JOBS}/results": AT_WORK,
    f"POST {JOBS}/complete": AT_WORK,
    f"POST {JOBS}/fail": AT_WORK,
    f"POST {JOBS}/release": AT_WORK,
    f"POST {UPLOADS}": ROOM,
    f"POST {UPLOADS}/{{id}}/release": ROOM,
    f"POST {TOKENS}/{{id}}/verify": ASKED,
    "POST /api/v1/hooks/sftpgo/auth": "changes nothing; a refusal is one of auth:refused",
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    f"PATCH {CREDENTIALS}/{{id}}": {"label": "other"},
    f"PATCH {OFFERS}models/{{id}}": {"sent_as": "other"},
    "PATCH /api/v1/me/letters": {"expiry": False},
    f"PATCH {USERS}/{{id}}/letters": {"expiry": False},
    "POST /api/v1/hooks/sftpgo": {
        "action": "upload", "username": "nobody", "virtual_path": "/a.mp4", "path": "/d/a.mp4",
        "file_size": 5, "status": 1, "timestamp": 1_700_000_000_000_000_000,
    },
}  # fmt: skip
BEFORE: Final[dict[str, Callable[[House], object]]] = {
    f"POST {USERS}/{{id}}/resume": lambda house: suspend(house.alice, reason="", actor="test"),
    f"POST {KEYS}/{{id}}/enable": lambda house: disable_key(house.key, actor="test"),
}
ACTORS: Final = {"POST /api/v1/hooks/sftpgo": "sftpgo"}
"""Else whoever called."""


class ChangingHouse(House):
    """Whose routes are all asked for a change."""

    def body(self, route: Route, caller: Any) -> dict[str, Any]:
        found = BODIES.get(str(route)) or super().body(route, caller)
        return {**found, "dry_run": False} if "dry_run" in found else found
