"""WordPress's REST API as far as members need it: who is there, by an Application Password.

Facts of WordPress 6.1: the API is at ``/wp-json/`` with pretty permalinks and at ``?rest_route=/``
always; Application Passwords exist only over https (or where WP_ENVIRONMENT_TYPE is local), and
without them the index says ``"authentication": []``.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from accounts.models import Site
from momentry.common.egress.client import Answer, Client, PeerError
from provisioning.wordpress import Snapshot, invalid, one_of, read_profile, read_roles, whole

PAGE: Final = 100  # WordPress answers 400 to more
PAGES: Final = 10_000
SECONDS: Final = 15.0
MOST_BYTES: Final = 4 * 1024 * 1024
FIELDS: Final = "id,username,email,name,locale,roles,momentry_status"
UNKNOWN_USER: Final = "rest_user_invalid_id"
TOLD: Final = ("active", "suspended", "excluded")  # by the plugin
PASSWORDS_OFF: Final = "Application Passwords are off: use https."


class WordPressError(Exception):
    """WordPress did not say what was asked. ``str()`` is one sentence without anything secret."""


class WordPressRest:
    """One site. Raises WordPressError from every call."""

    def __init__(self, site: Site) -> None:
        if not site.rest_username or not site.rest_password:
            raise WordPressError("The site has no username and Application Password.")
        pair = f"{site.rest_username}:{site.rest_password}".encode()
        self.authorization = f"Basic {base64.b64encode(pair).decode()}"
        self.client = Client(site.url, timeout=SECONDS, max_bytes=MOST_BYTES)
        self.root = ""

    def index(self) -> dict[str, Any]:
        """The API's own page; it also finds out where the API is. Says when passwords are off."""
        for root in ("/wp-json", "/?rest_route="):
            answer = self.send("GET", f"{root}/", {})
            document = document_of(answer)
            if answer.status == 200 and isinstance(document, dict) and "namespaces" in document:
                self.root = root
                break
        else:
            raise WordPressError("No WordPress REST API answers at this address.")
        ways = document.get("authentication")
        if not isinstance(ways, dict) or "application-passwords" not in ways:
            raise WordPressError(PASSWORDS_OFF)
        return document

    def user(self, wordpress_id: int) -> Snapshot | None:
        """None when WordPress says itself that there is no such user."""
        answer = self.get(f"/wp/v2/users/{wordpress_id}", context="edit", _fields=FIELDS)
        document = document_of(answer)
        if answer.status == 404 and code_of(document) == UNKNOWN_USER:
            return None
        if answer.status != 200:
            raise WordPressError(refusal(answer.status, document))
        return picture(document)

    def pages(self) -> Iterator[list[Any]]:
        """All users as WordPress says them, a page at a time; the whole list or WordPressError."""
        number, total = 1, 1
        while number <= total:
            answer = self.get(
                "/wp/v2/users", context="edit", per_page=str(PAGE), page=str(number),
                orderby="id", order="asc", _fields=FIELDS,
            )  # fmt: skip
            document = document_of(answer)
            if answer.status != 200 or not isinstance(document, list):
                raise WordPressError(refusal(answer.status, document))
            total = total_of(answer.headers)
            yield document
            number += 1

    def get(self, route: str, **query: str) -> Answer:
        if not self.root:
            self.index()
        return self.send("GET", self.root + route, query)

    def send(self, method: str, path: str, query: Mapping[str, str]) -> Answer:
        """The route is in the path, or itself in the query."""
        if query:
            path += ("&" if "?" in path else "?") + urlencode(query)
        headers = {"Authorization": self.authorization, "Accept": "application/json"}
        try:
            return self.client.send(method, path, headers=headers)
        except PeerError as error:
            raise WordPressError(f"WordPress cannot be asked: {error}") from None


class Checked(NamedTuple):
    """What a connection test found: one sentence per step, and whether all went well."""

    is_good: bool
    lines: tuple[str, ...]


def check(site: Site) -> Checked:
    """Can the users of this site be read?"""
    lines: list[str] = []
    try:
        api = WordPressRest(site)
        api.index()
        lines.append("The REST API answers, and Application Passwords are on.")
        users = next(iter(api.pages()))
        lines.append("The Application Password is good, and its user may read all users.")
    except WordPressError as error:
        return Checked(False, (*lines, str(error)))
    if users and isinstance(users[0], dict) and "momentry_status" not in users[0]:
        lines.append("The plugin momentry provisioning is not active there.")
    return Checked(True, tuple(lines))


def document_of(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def code_of(document: Any) -> str:
    code = document.get("code") if isinstance(document, dict) else None
    return code if isinstance(code, str) else ""


def refusal(status: int, document: Any) -> str:
    """In our words: an answer may repeat what it was sent."""
    if status == 401:
        return "WordPress refuses the username or the Application Password."
    if status == 403:
        return "The user of the Application Password may not read all users."
    if status == 200:
        return "WordPress's answer is not what its REST API says."
    code = code_of(document)
    known = f" ({code})" if code.startswith("rest_") and code.isidentifier() else ""
    return f"WordPress answers {status}{known[:60]}."


def total_of(headers: Mapping[str, str]) -> int:
    """X-WP-TotalPages; without it nobody knows that the list is whole."""
    text = headers.get("x-wp-totalpages", "")
    if not text.isascii() or not text.isdigit() or int(text[:9]) > PAGES:
        raise WordPressError("WordPress does not say how many pages there are.")
    return int(text)


def number_of(user: Any) -> int:
    """WordPressError for a list whose entries have none: then nobody knows who is missing."""
    number = user.get("id") if isinstance(user, dict) else None
    if type(number) is not int or not 0 < number < 2**63:
        raise WordPressError("WordPress's list of users is not what its REST API says.")
    return number


def picture(user: Any) -> Snapshot:
    """A user of the REST API as a snapshot; MomentryError invalid_input for what is none.

    The plugin adds ``momentry_status``: what it would have told. Without it, no role is suspended.
    """
    if not isinstance(user, dict):
        raise invalid("#", "must be an object")
    shown = {**user, "display_name": user.get("name", "")}
    roles = read_roles(user)
    status = "active" if roles else "suspended"
    if "momentry_status" in user:
        status = one_of(user, "momentry_status", TOLD, "#")
    return Snapshot(
        event_id="",
        type="user.updated",
        sequence=0,
        wordpress_id=whole(user, "id", "#"),
        status="active" if status == "active" else "suspended",
        profile=read_profile(shown),
        roles=roles,
        is_member=status != "excluded",
    )
