"""SFTPGo's API keys (``id.secret``, perhaps with ``.administrator``) and access tokens (JWTs)."""

from datetime import datetime

from provisioning.tokens import base, jwt
from provisioning.tokens.base import Asked, TokenProvider, Verdict
from provisioning.tokens.models import State

NAME = "SFTPGo's"


class SFTPGo(TokenProvider):
    setting = "SFTPGO_URL"

    def expires_at(self, secret: str) -> datetime | None:
        return jwt.expiry_of(secret)

    def verify(self, asked: Asked) -> Verdict:
        """An unknown key is 400 there, a wrong one 401, and so is a user's on administrators'
        routes; users' routes answer that one 200, or 403 where they take no keys."""
        headers = credential(asked)
        answer = base.get(asked, "/api/v2/version", headers)
        if answer.status == 200 and base.text_of(answer, "version"):
            return Verdict(State.VALID)
        if not base.told(answer):
            return base.strange(answer, NAME)
        if answer.status == 403:
            return Verdict(State.LIMITED, "Its administrator lacks permissions.")
        if answer.status == 400:
            return base.REFUSED
        if answer.status != 401:
            return base.strange(answer, NAME)
        if base.get(asked, "/api/v2/user/profile", headers).status in (200, 403):
            return Verdict(State.LIMITED, "It is a user's, not an administrator's.")
        return base.REFUSED


def credential(asked: Asked) -> dict[str, str]:
    if jwt.claims_of(asked.secret):
        return {"Authorization": f"Bearer {asked.secret}"}
    needs_name = asked.username and asked.secret.count(".") == 1
    key = f"{asked.secret}.{asked.username}" if needs_name else asked.secret
    return {"X-SFTPGO-API-KEY": key.encode().decode("latin-1")}  # on the wire it is UTF-8
