"""The letters of this app, from templates in mail/<locale>/: the relay renders them as it sends.

The first line of a .txt is the subject. A stored letter holds ids only.
"""

from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings

from accounts.models import User
from events import letters, mail
from events.mail import Letter
from events.models import Mail
from provisioning.models import ClaimLink
from provisioning.services.claims import claim_url, is_good

LETTERS: Final = ("suspended", "resumed", "deleted", "email_changed")


def register() -> None:
    mail.register("welcome", render_welcome)
    letters.SAMPLES["welcome"] = {
        "link": f"{settings.PUBLIC_URL}/claim/sample",
        "expires": datetime(2030, 1, 31, 12, tzinfo=UTC),
        "sftp_host": "sftp.example.org",
        "sftp_port": 2022,
        "sftp_username": "alice",
    }
    for template in LETTERS:
        mail.register(template, render_notice)
        letters.SAMPLES[template] = {"days": settings.MEMBER_PURGE_AFTER.days}


def render_welcome(letter: Mail) -> Letter:
    """The link is left out where it opens nothing any more: a letter may be sent late."""
    link = ClaimLink.objects.select_related("key__owner").filter(pk=letter.context["claim"]).first()
    member = member_of(letter, link)
    context: dict[str, Any] = {}
    if link is not None and is_good(link):
        context = {"link": claim_url(link), "expires": link.expires_at}
    if member is not None and member.sftpgo_username:
        context |= sftp_of(member)
    return render(letter, member, context)


def render_notice(letter: Mail) -> Letter:
    days = settings.MEMBER_PURGE_AFTER.days
    return render(letter, member_of(letter, None), {"days": days})


def member_of(letter: Mail, link: ClaimLink | None) -> User | None:
    """Letters that were queued by an older release name no member."""
    found = User.objects.filter(pk=letter.context.get("member")).first()
    return found or (link.key.owner if link else None)


def sftp_of(member: User) -> dict[str, Any]:
    """Where the member uploads; nothing where SFTPGo is not configured."""
    sftpgo = getattr(settings, "SFTPGO", None)
    if sftpgo is None:
        return {}
    return {
        "sftp_host": sftpgo.public_host,
        "sftp_port": sftpgo.public_port,
        "sftp_username": member.sftpgo_username,
    }


def render(letter: Mail, member: User | None, context: dict[str, Any]) -> Letter:
    name = member.display_name or member.username if member else ""
    return letters.render(letter, name, context)
