"""/metrics as Django sees it: what waits in the database. The gateway's own figures are its own."""

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from accounts.models import User
from apikeys.models import ApiKey
from events.models import Mail
from momentry.common.access import ADMIN_TOKEN, access_of
from momentry.common.errors import MomentryError
from momentry.common.handlers import problem_response
from momentry.common.scopes import holds

SCOPE = "metrics:read"


class DatabaseCollector:
    def collect(self) -> list[GaugeMetricFamily]:
        members = GaugeMetricFamily("momentry_members", "Members by status.", labels=["status"])
        for row in User.objects.filter(is_staff=False).values("status").annotate(n=Count("id")):
            members.add_metric([row["status"]], row["n"])
        usable = ApiKey.objects.filter(
            revoked_at=None, quarantined_at=None, disabled_at=None, digest__isnull=False
        )
        keys = GaugeMetricFamily(
            "momentry_keys_usable", "Keys that may pass.", value=usable.count()
        )
        due = Mail.objects.due(timezone.now()).count()
        mail = GaugeMetricFamily("momentry_mail_due", "Letters that wait.", value=due)
        dead = Mail.objects.filter(failed_at__isnull=False).count()
        failed = GaugeMetricFamily("momentry_mail_failed", "Letters given up.", value=dead)
        return [members, keys, mail, failed]


def metrics(request: HttpRequest) -> HttpResponse:
    """Needs ``metrics:read``."""
    access = access_of(request)
    if not access.actor:
        return problem_response(request, MomentryError("missing_key"))
    if access.actor != ADMIN_TOKEN and not holds(access.scopes, SCOPE):
        error = MomentryError("insufficient_scope", f"This needs the scope {SCOPE}.", scope=SCOPE)
        return problem_response(request, error)
    registry = CollectorRegistry()
    registry.register(DatabaseCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
