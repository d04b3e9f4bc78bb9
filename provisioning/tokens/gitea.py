"""Gitea's and Forgejo's access tokens."""

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from django.core.exceptions import ValidationError

from momentry.common.egress.client import Answer, PeerError, Step
from momentry.common.errors import MomentryError
from provisioning.tokens import base
from provisioning.tokens.base import Asked, Owner, TokenProvider, Verdict
from provisioning.tokens.gitea_scopes import UnknownScopeError, parse_scopes, shortest
from provisioning.tokens.models import State

# "… at least one of required scope(s): [read:user]", since 1.23 "…, required=[…], token scope=…"
LACKS: Final = "required scope"
BOUND: Final = "scope is limited to public"
HELD: Final = re.compile(r"token scope=([a-z:,-]*)")
PAGE: Final = 50
MOST_PAGES: Final = 40
NAME: Final = "Gitea's"
LONGEST: Final = 150


class Gitea(TokenProvider):
    setting = "GITEA_URL"

    def scopes_of(self, given: Iterable[str]) -> list[str]:
        try:
            return shortest(parse_scopes(given))
        except UnknownScopeError as error:
            raise ValidationError(str(error)) from None

    def verify(self, asked: Asked) -> Verdict:
        """A 403 that names a scope is of a good token: it was known, and then not let in."""
        answer = base.get(asked, "/api/v1/user", {"Authorization": f"token {asked.secret}"})
        message = base.text_of(answer, "message")
        if answer.status == 200 and (login := base.text_of(answer, "login")):
            is_plain = login.isprintable() and ":" not in login and len(login) <= LONGEST
            return Verdict(State.VALID, username=login if is_plain else None)
        if answer.status == 401:
            return base.REFUSED
        if answer.status == 403 and (LACKS in message or BOUND in message):
            return Verdict(State.LIMITED, "It lacks the scope read:user.", held_by(message))
        if answer.status == 403 and message:
            return Verdict(State.BROKEN, "Its user is not let in there.")
        return base.strange(answer, NAME)

    def revoke(self, asked: Asked, owner: Owner) -> None:
        """By its number: Gitea takes a name of digits for one. What is not there is gone."""
        if not asked.username:
            raise ValidationError({"username": "Gitea asks whose it is."})
        found = [row["id"] for row in self.listed(asked, owner) if is_it(row, asked.secret)]
        if len(found) > 1:
            raise MomentryError("conflict", "Several tokens there end alike; delete it there.")
        for number in found:
            answer = self.call(asked, owner, "DELETE", f"/{number}")
            if answer.status not in (204, 404):
                raise PeerError(Step.PROTOCOL, f"Gitea answered {answer.status}.")

    def listed(self, asked: Asked, owner: Owner) -> Iterable[dict[str, Any]]:
        for page in range(1, MOST_PAGES + 1):
            answer = self.call(asked, owner, "GET", f"?page={page}&limit={PAGE}")
            rows = answer.json() if answer.status == 200 else None
            if not isinstance(rows, list):
                raise PeerError(Step.PROTOCOL, f"Gitea answered {answer.status}.")
            yield from (row for row in rows if isinstance(row, dict) and type(row.get("id")) is int)
            if not rows:
                return

    def call(self, asked: Asked, owner: Owner, method: str, rest: str) -> Answer:
        """Gitea lets nobody near a user's tokens without the user's password."""
        headers = {"Authorization": base.basic(asked.username, owner.password)}
        if owner.otp:
            headers["X-Gitea-OTP"] = owner.otp
        whose = quote(asked.username, safe="")
        answer = base.send(asked, method, f"/api/v1/users/{whose}/tokens{rest}", headers)
        if answer.status in (401, 403):
            raise MomentryError("permission_denied", "Gitea did not take the password or the OTP.")
        return answer


def is_it(row: dict[str, Any], secret: str) -> bool:
    return row.get("token_last_eight") == secret[-8:]


def held_by(message: str) -> list[str] | None:
    """What newer ones tell of the token."""
    found = HELD.search(message)
    try:
        return shortest(parse_scopes(found[1])) if found and found[1] else None
    except UnknownScopeError:
        return None
