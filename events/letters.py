"""Letters from templates in mail/<locale>/ of whichever app: text, HTML, and a first line that is
the subject. A stored letter holds ids only; the apps' own renderers look up the rest."""

from typing import Any, Final

from django.conf import settings
from django.template.loader import render_to_string

from events.mail import Letter
from events.models import Mail

HAN: Final = frozenset({"hant", "tw", "hk", "mo"})
LONGEST_NAME: Final = 60


def render(letter: Mail, name: str, context: dict[str, Any]) -> Letter:
    """``name``: whom it greets, as somebody wrote it."""
    locale = locale_of(letter.locale)
    place = f"mail/{locale}/{letter.template}"
    context = {**context, "name": plain(name), "site": settings.PUBLIC_URL, "locale": locale}
    subject, _, text = render_to_string(f"{place}.txt", context).partition("\n")
    subject = plain(subject)
    return Letter(subject, text, render_to_string(f"{place}.html", {**context, "subject": subject}))


def plain(text: str) -> str:
    """One line of what can be seen: no line feeds for headers, nothing that turns text around."""
    seen = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(seen.split())[:LONGEST_NAME]


def locale_of(text: str) -> str:
    """Of a WordPress locale such as ``zh_TW``; English where there is no translation."""
    language, *rest = text.replace("_", "-").lower().split("-")
    return "zh-hant" if language == "zh" and HAN.intersection(rest) else "en"
