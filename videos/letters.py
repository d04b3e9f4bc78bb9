"""The letters of this app: how full a member's storage is, in the numbers of when it is sent."""

from typing import Final

from django.template.defaultfilters import filesizeformat

from accounts.models import User
from events import letters, mail
from events.mail import Letter
from events.models import Mail
from events.topics import Topic
from videos.noticemodels import LEVELS

LETTERS: Final = tuple(f"quota_{level}" for level in LEVELS)


def register() -> None:
    for template in LETTERS:
        mail.register(template, render, topic=Topic.QUOTA)
        letters.SAMPLES[template] = {"used": "8.4\xa0GB", "quota": "10.0\xa0GB"}


def render(letter: Mail) -> Letter:
    member = User.objects.filter(pk=letter.context["member"]).first()
    if member is None:
        return letters.render(letter, "", {"used": filesizeformat(0)})
    context = {"used": filesizeformat(member.quota_used)}
    if member.quota_size is not None:
        context["quota"] = filesizeformat(member.quota_size)
    return letters.render(letter, member.display_name or member.username, context)
