"""Every route of Django's half; /proxy/, /healthz and /readyz in front of it are the gateway's."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from apikeys.api.adminkeys import KeyViewSet
from apikeys.api.anomalies import AnomalyViewSet
from apikeys.api.bulk import KeyBatch, KeyBatchRevoke, KeyExport, KeyImport
from apikeys.api.grants import GrantViewSet
from apikeys.api.ip_rules import IpRuleViewSet
from apikeys.api.leaks import SecretScanning
from apikeys.api.letters import MemberLetters, MyLetters
from apikeys.api.logs import RequestLogViewSet
from apikeys.api.myevents import MyEvents
from apikeys.api.mykeys import MyKeyViewSet
from apikeys.api.overrides import MemberLimits
from apikeys.api.settle import HoldSettlement
from apikeys.api.templates import KeyTemplateViewSet
from apikeys.api.tiers import TierViewSet
from apikeys.api.usage import AdminUsage, MyUsage
from apikeys.api.verify import KeyVerification
from apikeys.api.views import Me
from events.api.events import EventViewSet
from events.views import unsubscribe_page
from events.webhooks.api import DeliveryViewSet, WebhookViewSet
from momentry.common import health, openapi  # noqa: F401  openapi registers itself
from momentry.favicon import favicon
from momentry.metrics import metrics
from provisioning.api.memberpage import MemberPage
from provisioning.api.sftpgo import SftpgoAuth
from provisioning.api.tasks import ProvisioningTaskViewSet
from provisioning.api.tokens import ExternalTokenViewSet
from provisioning.api.users import MemberViewSet
from provisioning.api.webhooks import WordPressWebhook
from provisioning.views import claim_page
from proxy.api.credentials import TargetCredentialChange, TargetCredentials
from proxy.api.models import UpstreamModelViewSet
from proxy.api.prices import PriceViewSet
from proxy.api.probing import UpstreamTest
from proxy.api.upstreams import UpstreamViewSet

admin.autodiscover()

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("admin/users", MemberViewSet, basename="member")
router.register("admin/keys", KeyViewSet, basename="apikey")
router.register("admin/key-templates", KeyTemplateViewSet, basename="key-template")
router.register("admin/tiers", TierViewSet, basename="tier")
router.register("admin/grants", GrantViewSet, basename="grant")
router.register("admin/upstreams", UpstreamViewSet, basename="upstream")
router.register("admin/logs", RequestLogViewSet, basename="log")
router.register("admin/events", EventViewSet, basename="event")
router.register("admin/webhooks", WebhookViewSet, basename="webhook")
router.register("admin/deliveries", DeliveryViewSet, basename="delivery")
router.register("admin/anomalies", AnomalyViewSet, basename="anomaly")
router.register("admin/prices", PriceViewSet, basename="price")
router.register("admin/ip-rules", IpRuleViewSet, basename="ip-rule")
router.register("admin/provisioning-tasks", ProvisioningTaskViewSet, basename="provisioning-task")
router.register("admin/external-tokens", ExternalTokenViewSet, basename="external-token")
router.register("me/keys", MyKeyViewSet, basename="my-key")

TARGET = "admin/upstreams/<slug:slug>/targets/<uuid:target_id>"
MODELS = "admin/upstreams/<slug:slug>/models"
api: list[URLPattern | URLResolver] = [
    path("me", Me.as_view(), name="me"),
    path("me/usage", MyUsage.as_view(), name="my-usage"),
    path("me/events", MyEvents.as_view(), name="my-events"),
    path("me/letters", MyLetters.as_view(), name="my-letters"),
    path("admin/usage", AdminUsage.as_view(), name="usage"),
    path("keys/verify", KeyVerification.as_view(), name="keys-verify"),
    path("keys/settle", HoldSettlement.as_view(), name="keys-settle"),
    path("webhooks/wordpress", WordPressWebhook.as_view(), name="webhook-wordpress"),
    path("webhooks/wordpress/member", MemberPage.as_view(), name="webhook-wordpress-member"),
    path("hooks/sftpgo/auth", SftpgoAuth.as_view(), name="hook-sftpgo-auth"),
    path("admin/users/<uuid:pk>/limits", MemberLimits.as_view(), name="member-limits"),
    path("admin/users/<uuid:pk>/letters", MemberLetters.as_view(), name="member-letters"),
    path("admin/keys/batch", KeyBatch.as_view(), name="keys-batch"),
    path("admin/keys/batch-revoke", KeyBatchRevoke.as_view(), name="keys-batch-revoke"),
    path("admin/keys/export", KeyExport.as_view(), name="keys-export"),
    path("admin/keys/import", KeyImport.as_view(), name="keys-import"),
    path(f"{TARGET}/credentials", TargetCredentials.as_view(), name="credentials"),
    path(f"{TARGET}/credentials/<uuid:pk>", TargetCredentialChange.as_view(), name="credential"),
    path("admin/upstreams/<slug:slug>/test", UpstreamTest.as_view(), name="upstream-test"),
    path(MODELS, UpstreamModelViewSet.as_view({"get": "list", "post": "create"}), name="models"),
    path(
        f"{MODELS}/<uuid:pk>",
        UpstreamModelViewSet.as_view({"patch": "partial_update", "delete": "destroy"}),
        name="model",
    ),
    path("", include("videos.urls")),
    path("", include(router.urls)),
]

urlpatterns = [
    path("favicon.ico", favicon),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics),
    path("api/v1/", include(api)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("integrations/secret-scanning/github", SecretScanning.as_view(), name="secret-scanning"),
    path("claim/<str:token>", claim_page, name="claim"),
    path("unsubscribe/<str:token>", unsubscribe_page, name="unsubscribe"),
    path("admin/", admin.site.urls),
]

handler400 = "momentry.common.handlers.bad_request"
handler403 = "momentry.common.handlers.forbidden"
handler404 = "momentry.common.handlers.not_found"
handler500 = "momentry.common.handlers.server_error"
