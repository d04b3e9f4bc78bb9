"""Who may log in to SFTPGo with which password (external_auth_hook): a member with a key of theirs,
or with an Application Password of the WordPress they came from."""

import re
import time
from typing import Any, Final

from django.db import connection

from accounts.models import Status, User
from apikeys.gate.request import GateRequest
from apikeys.services import gate
from apikeys.services.guard import get_guard
from momentry.common.egress.client import PeerError
from momentry.common.errors import MomentryError
from momentry.common.scopes import holds
from provisioning.services.homes import account_of
from provisioning.sftpgo.desired import changed, desired_of, may_take, new_account
from provisioning.tokens import base
from provisioning.tokens.base import Asked
from provisioning.tokens.wordpress import ME, are_off

PATH: Final = "/api/v1/hooks/sftpgo/auth"
NEEDED: Final = "videos:write"  # who may log in may upload
# wp-includes/class-wp-application-passwords.php: 24 characters, shown in groups of four.
APPLICATION_PASSWORD: Final = re.compile(r"[A-Za-z0-9]{4}(?: ?[A-Za-z0-9]{4}){5}", re.ASCII)
UNKNOWN: Final = ("database_unavailable", "overloaded")


def account_for(
    username: str, password: str, ip: str, known: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """SFTPGo's form of the member's account, None for no. ``ip``: the client's; its failures count
    as wrong keys do. ``known``: the account as SFTPGo has it; what staff set there stays.
    MomentryError where nobody can know."""
    member = User.objects.filter(sftpgo_username=username, status=Status.ACTIVE, is_staff=False)
    found = member.select_related("site").first() if username else None
    if found is not None and is_wordpress(found, password):
        is_right = is_application_password(found, password, ip)
    else:
        is_right = is_key_of(found, password, ip)
    # What came to pass while WordPress was asked counts too: a suspension leaves nobody in.
    still = member.first() if is_right else None
    account = None if still is None else account_of(still)
    if still is None or account is None:
        return None
    desired = desired_of(still, account)
    if not known:
        return new_account(desired)
    return changed(known, desired) if may_take(known, desired) else None


def is_wordpress(member: User, password: str) -> bool:
    site = member.site
    is_there = site is not None and site.disabled_at is None and member.wordpress_id is not None
    return is_there and APPLICATION_PASSWORD.fullmatch(password) is not None


def is_key_of(member: User | None, password: str, ip: str) -> bool:
    """Asked of the gate, for nobody too: a name that does not exist is told apart by nothing."""
    began = time.monotonic()
    try:
        header = password.encode("ascii")
    except UnicodeEncodeError:
        return False
    request = GateRequest(
        [(b"x-api-key", header)], method="POST", path=PATH, client=ip, weight=0, holds=False
    )
    verdict = gate.judge_request(request)
    gate.settle(verdict, free=False)
    if verdict.code in UNKNOWN:
        raise MomentryError(verdict.code)
    time.sleep(max(0.0, began + gate.refusal_seconds(verdict.code) - time.monotonic()))
    is_own = member is not None and verdict.member_id == member.pk
    return verdict.ok and is_own and holds(verdict.scopes, NEEDED)


def is_application_password(member: User, password: str, ip: str) -> bool:
    """Asked of WordPress, unless the address showed too many wrong ones."""
    guard = get_guard(gate.peppers())
    secret = f"{member.pk}\n{password.replace(' ', '')}"
    if gate.is_blocked(ip) or not guard.may_look_up(ip, secret).allowed:
        return False
    if not connection.in_atomic_block:
        connection.close()  # WordPress may take its time
    try:
        is_right = knows(member, password)
    except PeerError as error:
        raise MomentryError("upstream_unreachable", str(error)) from None
    if is_right:
        guard.proven(ip, secret)
    else:
        guard.count_failure(ip)
    return is_right


def knows(member: User, password: str) -> bool:
    """MomentryError where its answer says nothing about the password. Raises PeerError."""
    assert member.site is not None  # noqa: S101  is_wordpress looked
    asked = Asked(member.site.url, member.username, password)
    headers = {"Authorization": base.basic(asked.username, asked.secret)}
    answer = base.get(asked, ME, headers)
    told = base.told(answer)
    if answer.status == 200 and "id" in told:
        return told["id"] == member.wordpress_id
    if answer.status == 401 and "code" in told and not are_off(asked):
        return False
    detail = f"WordPress answered {answer.status}, which says nothing about the password."
    raise MomentryError("upstream_failed", detail)
