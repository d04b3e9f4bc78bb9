"""n8n's API keys: JWTs of any length."""

from datetime import datetime

from provisioning.tokens import base, jwt
from provisioning.tokens.base import Asked, TokenProvider, Verdict
from provisioning.tokens.models import State


class N8n(TokenProvider):
    setting = "N8N_URL"

    def expires_at(self, secret: str) -> datetime | None:
        return jwt.expiry_of(secret)

    def verify(self, asked: Asked) -> Verdict:
        """The community edition does not enforce scopes: 403 comes from others only."""
        headers = {"X-N8N-API-KEY": asked.secret}
        answer = base.get(asked, "/api/v1/workflows?limit=1", headers)
        if answer.status == 200 and isinstance(base.told(answer).get("data"), list):
            return Verdict(State.VALID)
        if answer.status == 401:
            return base.REFUSED
        if answer.status == 403 and base.text_of(answer, "message"):
            return Verdict(State.LIMITED, "It lacks the scope workflow:list.")
        return base.strange(answer, "n8n's")
