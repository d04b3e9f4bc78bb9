"""SFTPGo's half of storage_recount: the bytes it counts for accounts against those here."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from provisioning.models import SftpgoAccount
from provisioning.services.reconcile import batches
from provisioning.sftpgo.client import Sftpgo, SftpgoError
from videos.services.recount import Difference, UnknownError

AT_ONCE: Final = 500


def compare() -> Iterator[Difference]:
    """Of live members' accounts; nothing without SFTPGo. Raises UnknownError. Uploads that run make
    differences of a moment."""
    if settings.SFTPGO is None:
        return
    try:
        for page in batches(Sftpgo(settings.SFTPGO).accounts(), AT_ONCE):
            there = {str(one["username"]): int(one.get("used_quota_size") or 0) for one in page}
            rows = SftpgoAccount.objects.filter(username__in=there, unwanted_at=None)
            rows = rows.exclude(member=None).order_by("username")
            for name, here in rows.values_list("username", "member__quota_used"):
                if there[name] != here:
                    yield Difference(name, there[name], here or 0)
    except (SftpgoError, ValueError, TypeError) as error:
        raise UnknownError(str(error)) from None
