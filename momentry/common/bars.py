"""Bars of the admin: a share of a whole, its colour, and the numbers beside it as text."""

from typing import Final, NamedTuple

from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

NEARLY_FULL: Final = 80
ALMOST_FULL: Final = 95
FULL: Final = 100
# Per cent used, and the colour from there on; all of them are in the theme's own style sheet.
SHADES: Final = (
    (FULL, "bg-red-600"), (ALMOST_FULL, "bg-red-400"), (NEARLY_FULL, "bg-orange-400"),
    (0, "bg-primary-600"),
)  # fmt: skip
KEPT: Final = "bg-primary-300"
DONE: Final = "bg-green-500"
MOVING: Final = "bg-primary-600"
STOPPED: Final = "bg-red-500"
EMPTY: Final = 0.0


class Part(NamedTuple):
    """``share``: per cent of the whole; ``shade``: a class of the theme."""

    share: float
    shade: str


def bar(parts: list[Part], text: str, *, title: str = "") -> SafeString:
    """The parts one after another, never longer than the whole; ``text`` below it."""
    left, shown = 100.0, []
    for share, shade in parts:
        width = max(min(share, left), 0.0)
        left -= width
        if width:
            shown.append((shade, f"{width:.1f}"))
    return format_html(
        '<div style="min-width: 8rem; max-width: 24rem" title="{}">'
        '<div class="bg-base-200 flex overflow-hidden rounded-default dark:bg-base-700"'
        ' style="height: .375rem">{}</div>'
        '<div class="text-xs" style="margin-top: .25rem; font-variant-numeric: tabular-nums">'
        "{}</div></div>",
        title or text,
        format_html_join("", '<div class="{}" style="width: {}%"></div>', shown),
        text,
    )


def progress_bar(per_cent: float, text: str, shade: str = MOVING) -> SafeString:
    return bar([Part(per_cent, shade)], text)


def storage_bar(used: int, reserved: int, quota: int | None) -> SafeString:
    """Bytes; without a quota there is a number but nothing to be a share of, so no bar."""
    if quota is None:
        return format_html('<div class="text-xs">{}</div>', in_words(used, reserved, quota))
    parts = [
        Part(share_of(used, quota), shade_of(used, quota)),
        Part(share_of(reserved, quota), KEPT),
    ]
    return bar(parts, in_words(used, reserved, quota))


def share_of(size: int, quota: int) -> float:
    """Per cent. Of a quota of nothing, anything is all of it."""
    if quota <= 0:
        return float(FULL) if size else EMPTY
    return 100 * size / quota


def shade_of(used: int, quota: int) -> str:
    share = share_of(used, quota)
    return next(shade for least, shade in SHADES if share >= least)


def in_words(used: int, reserved: int, quota: int | None) -> str:
    if quota is None:
        said = f"{filesizeformat(used)}, unlimited"
    else:
        said = f"{filesizeformat(used)} of {filesizeformat(quota)} ({whole(used, quota)} %)"
    return f"{said}, {filesizeformat(reserved)} reserved" if reserved else said


def whole(used: int, quota: int) -> int:
    """Per cent, rounded down: 100 is said only of what is full."""
    return used * 100 // quota if quota > 0 else int(share_of(used, quota))
