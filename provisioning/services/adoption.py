"""Accounts that were in SFTPGo before their members were here: linked, with the homes they have."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models.functions import Lower, Now

from accounts.models import LIVE, User
from events.kinds import Kind
from events.services import record
from provisioning.models import ProvisioningTask, SftpgoAccount
from provisioning.services import tasks
from provisioning.services.homes import account_of, take
from provisioning.services.reconcile import Finding, Order
from provisioning.sftpgo.desired import owner_of

LONGEST_NAME: Final = 60
LONGEST_HOME: Final = 512


def adopt(strangers: list[dict[str, Any]], order: Order) -> Iterator[Finding]:
    """Of each account that nobody owns: the member of the same name, whatever the case. Where case
    twins are, only the one that is written the same."""
    twins: defaultdict[str, list[str]] = defaultdict(list)
    for found in strangers:
        twins[found["username"].lower()].append(found["username"])
    members = members_named(set(twins))
    for found in strangers:
        name = found["username"]
        member = members.get(name.lower())
        if member is None or (len(twins[name.lower()]) > 1 and member.username != name):
            yield Finding("unknown", name)
        elif why := refusal(found, member):
            yield Finding("not adopted", name, why)
        elif order.is_dry or link(member, found, order.actor):
            yield Finding("adopted", name, "keeps its home", mended=True)
        else:
            yield Finding("not adopted", name, "its name or home is another member's")


def members_named(names: set[str]) -> dict[str, User]:
    rows = User.objects.filter(is_staff=False, status__in=LIVE).alias(name=Lower("username"))
    return {member.username.lower(): member for member in rows.filter(name__in=names)}


def refusal(found: dict[str, Any], member: User) -> str:
    """Why this account cannot be this member's; "" if it can. Whoever takes a name in WordPress
    must not get the files of somebody who had it in SFTPGo: the addresses must not differ."""
    email = str(found.get("email") or "").lower()
    home = str(found.get("home_dir") or "")
    if owner_of(found):
        return "it is marked as another member's"
    if email and email != member.email.lower():
        return "its e-mail is another one"
    if len(found["username"]) > LONGEST_NAME or not home or len(home) > LONGEST_HOME:
        return "its name or home is too long"
    done = ProvisioningTask.objects.filter(member=member, done_at__isnull=False)
    return "the member has another account" if done.exists() else ""


@transaction.atomic
def link(member: User, found: dict[str, Any], actor: str) -> bool:
    """Name and home are the member's from now on; the relay marks the account. False when somebody
    else has one of them."""
    User.objects.select_for_update(of=("self",)).get(pk=member.pk)
    if (account := account_of(member)) is None:
        made = take(member, found["username"], found["home_dir"], is_adopted=True)
        is_linked = made is not None
    else:
        is_linked = rename(account, found)
    if is_linked:
        User.objects.filter(pk=member.pk).update(sftpgo_username=found["username"])
        tasks.want(member)
        place = {"username": found["username"], "home_dir": found["home_dir"]}
        subject = f"member:{member.pk.hex}"
        record(Kind.PROVISIONING_ADOPTED, actor=actor, subject=subject, system="sftpgo", **place)
    return is_linked


def rename(account: SftpgoAccount, found: dict[str, Any]) -> bool:
    """The name that was given waits in vain for the account that is there."""
    try:
        with transaction.atomic():
            SftpgoAccount.objects.filter(pk=account.pk).update(
                username=found["username"], home_dir=found["home_dir"], adopted_at=Now()
            )
    except IntegrityError:
        return False
    return True
