"""Every route of Django's half; /proxy/, /healthz and /readyz in front of it are the gateway's."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from apikeys.api.adminkeys import KeyViewSet
from apikeys.api.ip_rules import IpRuleViewSet
from apikeys.api.mykeys import MyKeyViewSet
from apikeys.api.verify import KeyVerification
from apikeys.api.views import Me
from momentry.common import health, openapi  # noqa: F401  openapi registers itself
from momentry.metrics import metrics
from provisioning.api.users import MemberViewSet
from provisioning.api.webhooks import WordPressWebhook
from provisioning.views import claim_page

admin.autodiscover()

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("admin/users", MemberViewSet, basename="member")
router.register("admin/keys", KeyViewSet, basename="apikey")
router.register("admin/ip-rules", IpRuleViewSet, basename="ip-rule")
router.register("me/keys", MyKeyViewSet, basename="my-key")

api: list[URLPattern | URLResolver] = [
    path("me", Me.as_view(), name="me"),
    path("keys/verify", KeyVerification.as_view(), name="keys-verify"),
    path("webhooks/wordpress", WordPressWebhook.as_view(), name="webhook-wordpress"),
    path("", include(router.urls)),
]

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics),
    path("api/v1/", include(api)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("claim/<str:token>", claim_page, name="claim"),
    path("admin/", admin.site.urls),
]

handler400 = "momentry.common.handlers.bad_request"
handler403 = "momentry.common.handlers.forbidden"
handler404 = "momentry.common.handlers.not_found"
handler500 = "momentry.common.handlers.server_error"
