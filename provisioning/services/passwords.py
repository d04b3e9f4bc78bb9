"""The member's password in SFTPGo: sent on as it comes, stored nowhere here."""

from django.conf import settings
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from accounts import services as accounts
from accounts.models import Status, User
from events.kinds import Kind
from events.services import record
from provisioning.services import tasks
from provisioning.services.homes import account_of
from provisioning.sftpgo.client import Blame, Sftpgo, SftpgoError
from provisioning.sftpgo.desired import owner_of


def can_set_password(member: User | None) -> bool:
    """Is there an account of an active member to set one for?"""
    if settings.SFTPGO is None or member is None or member.status != Status.ACTIVE:
        return False
    return account_of(member) is not None


@sensitive_variables("password", "found")
def set_password(member: User, password: str, *, actor: str) -> None:
    """Raises SftpgoError: SFTPGo is away, refuses it, or has no such account yet.

    A PUT replaces the whole account, so what changed between it and the GET before is undone: the
    task that follows brings it back to what the member is.
    """
    account = account_of(member)
    if settings.SFTPGO is None or account is None:
        raise SftpgoError(Blame.REQUEST, "There is no SFTP account.")
    sftpgo = Sftpgo(settings.SFTPGO)
    found = sftpgo.find(account.username)
    if found is None or owner_of(found) != str(member.pk):
        raise SftpgoError(Blame.ATTEMPT, "SFTPGo does not have the account yet.")
    try:
        sftpgo.replace({**found, "password": password}, disconnect=False)
    finally:
        follow(member, actor=actor)


@transaction.atomic
def follow(member: User, *, actor: str) -> None:
    """Also when the answer was lost: then it may be set."""
    accounts.hold(member)
    tasks.want(member)
    record(
        Kind.MEMBER_PASSWORD_SET, actor=actor, subject=f"member:{member.pk.hex}", system="sftpgo"
    )
