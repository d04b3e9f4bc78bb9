"""The letters of this app as text; the relay asks for them by template name as it sends."""

from django.conf import settings

from events.mail import Letter
from events.models import Mail
from provisioning.models import ClaimLink
from provisioning.services.claims import claim_url

WELCOME = """Hello {name},

your account on {site} is ready. Fetch your API key here (the link works once and until {expires}):

  {link}

Keep the key like a password: it is shown one single time.
"""


def render_welcome(mail: Mail) -> Letter:
    link = ClaimLink.objects.select_related("key__owner").get(pk=mail.context["claim"])
    owner = link.key.owner
    name = (owner.display_name or owner.username) if owner else "there"
    text = WELCOME.format(
        name=name,
        site=settings.PUBLIC_URL,
        expires=link.expires_at.strftime("%Y-%m-%d %H:%M UTC"),
        link=claim_url(link),
    )
    return Letter("Your API key is waiting", text)
