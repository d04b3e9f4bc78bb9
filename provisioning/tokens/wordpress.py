"""WordPress's Application Passwords."""

from typing import Final

from momentry.common.egress.client import PeerError
from provisioning.tokens import base
from provisioning.tokens.base import Asked, TokenProvider, Verdict
from provisioning.tokens.models import State

ME: Final = "/wp-json/wp/v2/users/me"
NAME: Final = "WordPress's REST API"
OFF: Final = Verdict(State.BROKEN, "Application Passwords are off: use https.")


class WordPress(TokenProvider):
    """Where it is: the URL of the member's Site."""

    needs_username = True

    def verify(self, asked: Asked) -> Verdict:
        """WordPress says the same of a wrong password and of one it does not look at."""
        headers = {"Authorization": base.basic(asked.username, asked.secret)}
        answer = base.get(asked, ME, headers)
        code = base.text_of(answer, "code")
        if answer.status == 200 and type(base.told(answer).get("id")) is int:
            return Verdict(State.VALID)
        if answer.status == 401 and code:
            return OFF if are_off(asked) else base.REFUSED
        if answer.status == 403 and code:
            return Verdict(State.LIMITED, "Its user may not read itself.")
        return base.strange(answer, NAME)


def are_off(asked: Asked) -> bool:
    """The root lists how one may log in: nothing, where WordPress sees no TLS."""
    try:
        root = base.told(base.get(asked, "/wp-json/", {}))
    except PeerError:
        return False
    ways = root.get("authentication")
    return isinstance(ways, list | dict) and "application-passwords" not in ways
