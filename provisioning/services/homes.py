"""Names and homes in SFTPGo: given to a member once, to nobody else ever."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from provisioning.models import SftpgoAccount
from provisioning.sftpgo.names import candidates, home_of

HOME: Final = "SELECT home_dir FROM provisioning_sftpgoaccount WHERE member_id = %s"


def account_of(member: User) -> SftpgoAccount | None:
    return SftpgoAccount.objects.filter(member=member).first()


def home_dir_of(member: User) -> str | None:
    """As SFTPGo's file system has it."""
    with connection.cursor() as cursor:
        cursor.execute(HOME, [member.pk])
        row = cursor.fetchone()
    return row[0] if row else None


def owners_of(directories: Sequence[str]) -> dict[str, UUID]:
    """Whose homes these are, for those that are members' homes."""
    rows = SftpgoAccount.objects.filter(home_dir__in=directories, member__purged_at=None)
    return dict(rows.exclude(member=None).values_list("home_dir", "member_id"))


@transaction.atomic
def give_account(member: User) -> SftpgoAccount:
    """The member's, made now if there is none. Raises ValueError without SFTPGo's settings."""
    if (account := account_of(member)) is not None:
        return account
    if settings.SFTPGO is None:
        raise ValueError("SFTPGo is not configured")
    for name in candidates(member.username, member.wordpress_id, member.pk):
        if (account := take(member, name, home_of(settings.SFTPGO.home_root, name))) is not None:
            return account
    raise ValueError("no name is free")


def take(
    member: User, name: str, home_dir: str, *, is_adopted: bool = False
) -> SftpgoAccount | None:
    """None when somebody has the name or the home: the indexes decide, whoever writes at once."""
    account = SftpgoAccount(member=member, username=name, home_dir=home_dir)
    account.adopted_at = timezone.now() if is_adopted else None
    try:
        with transaction.atomic():
            account.save(force_insert=True)
    except IntegrityError:
        return account_of(member)  # the other may have been this member's own registration
    member.sftpgo_username = name
    User.objects.filter(pk=member.pk).update(sftpgo_username=name)
    return account
