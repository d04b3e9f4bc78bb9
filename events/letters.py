"""Letters from templates in mail/<locale>/ of whichever app: text, HTML, and a first line that is
the subject. A stored letter holds ids only; the apps' own renderers look up the rest."""

from typing import Any, Final

from django.conf import settings
from django.template.loader import render_to_string

from events.message import Letter
from events.models import Mail
from events.topics import OF_LETTERS
from events.unsubscribing import link_of, subscription_of

HAN: Final = frozenset({"hant", "tw", "hk", "mo"})
ENGLISH: Final = "en"
CHINESE: Final = "zh-hant"
LONGEST_NAME: Final = 60
SAMPLES: Final[dict[str, dict[str, Any]]] = {}
"""By template: what a renderer would put in, made up."""


def render(letter: Mail, name: str, context: dict[str, Any]) -> Letter:
    """``name``: whom it greets, as somebody wrote it."""
    found = subscription_of(letter)
    link = link_of(found) if found else ""
    return fill(letter.template, locale_of(letter.locale), {**context, "name": name}, link)


def fill(template: str, locale: str, context: dict[str, Any], unsubscribe: str = "") -> Letter:
    place = f"mail/{locale}/{template}"
    shared = {"site": settings.PUBLIC_URL, "locale": locale, "unsubscribe": unsubscribe}
    context = {**context, **shared, "name": plain(context["name"])}
    subject, _, text = render_to_string(f"{place}.txt", context).partition("\n")
    subject = plain(subject)
    if unsubscribe:
        text += render_to_string(f"mail/{locale}/unsubscribe.txt", context)
    html = render_to_string(f"{place}.html", {**context, "subject": subject})
    return Letter(subject, text, html, unsubscribe)


def plain(text: str, longest: int = LONGEST_NAME) -> str:
    """One line of what can be seen: no line feeds for headers, nothing that turns text around."""
    seen = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(seen.split())[:longest]


def locale_of(text: str) -> str:
    """Of a WordPress locale such as ``zh_TW``; English where there is no translation."""
    language, *rest = text.replace("_", "-").lower().split("-")
    return CHINESE if language == "zh" and HAN.intersection(rest) else ENGLISH


def sample_of(template: str, locale: str) -> Letter:
    """As staff look at it: nobody's letter, and its links open nothing."""
    link = f"{settings.PUBLIC_URL}/unsubscribe/sample" if template in OF_LETTERS else ""
    return fill(template, locale, {"name": "Alice Example", **SAMPLES.get(template, {})}, link)
