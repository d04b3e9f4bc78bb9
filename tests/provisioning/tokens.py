"""What tests of external tokens say and look for."""

from events.models import Event
from provisioning.models import ExternalToken
from provisioning.services.token_checks import verify_token
from tests import make

TOKENS = "/api/v1/admin/external-tokens"
SECRET = "9f1c0a7e5b3d4c2a8e6f1b0d7c5a3e9f8b2d4c6a"
MASKED = "***4c6a"
NEW = {"provider": "gitea", "label": "ci", "token": SECRET, "base_url": "http://git.test"}


def judged(token: ExternalToken) -> ExternalToken:
    return verify_token(token.pk, actor=make.ACTOR)


def kinds(token: ExternalToken) -> list[str]:
    rows = Event.objects.filter(subject=f"token:{token.pk}").order_by("id")
    return list(rows.values_list("kind", flat=True))
