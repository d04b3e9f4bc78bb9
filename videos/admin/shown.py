"""Videos, jobs and steps in words, colours and bars; what members or workers wrote is text."""

from collections.abc import Iterable
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from momentry.common.bars import DONE, MOVING, STOPPED, progress_bar
from momentry.common.staff import BLUE, GREEN, ORANGE, RED
from videos.models import JobState, ProcessingStep, StepState

GREY: Final = "default"
SHORT: Final = 60
JOB_COLOURS: Final = {
    JobState.QUEUED: BLUE, JobState.RUNNING: BLUE, JobState.DONE: GREEN, JobState.PARTIAL: ORANGE,
    JobState.FAILED: RED, JobState.CANCELLED: GREY,
}  # fmt: skip
STEP_COLOURS: Final = {
    StepState.QUEUED: BLUE, StepState.RUNNING: BLUE, StepState.DONE: GREEN, StepState.DEAD: RED,
    StepState.CANCELLED: GREY,
}  # fmt: skip
SHADES: Final = {StepState.DONE: DONE, StepState.DEAD: STOPPED}
SCHEMES: Final = ("https://", "http://")


def short(text: str) -> str:
    """The end tells files apart."""
    return text if len(text) <= SHORT else f"…{text[1 - SHORT :]}"


def share_done(step: ProcessingStep) -> int:
    """Per cent; a worker's last word counts while it has the step."""
    if step.state == StepState.DONE:
        return 100
    return step.progress if step.state == StepState.RUNNING else 0


def step_bar(step: ProcessingStep) -> SafeString:
    shade = SHADES.get(StepState(step.state), MOVING)
    share = 100 if step.state == StepState.DEAD else share_done(step)
    text = f"{share_done(step)} %"
    return progress_bar(share, text, shade)


def job_bar(steps: list[ProcessingStep]) -> SafeString:
    """All steps count alike."""
    whole = sum(share_done(step) for step in steps) / len(steps) if steps else 0
    ended = sum(step.state == StepState.DONE for step in steps)
    dead = any(step.state == StepState.DEAD for step in steps)
    shade = STOPPED if dead else DONE if steps and ended == len(steps) else MOVING
    return progress_bar(whole, f"{ended} of {len(steps)} done", shade)


def link_out(url: Any) -> SafeString | str:
    """Only what a browser opens as a page: a worker may have written anything."""
    text = str(url)
    if not text.lower().startswith(SCHEMES):
        return text
    return format_html(
        '<a class="text-link" href="{}" rel="noopener noreferrer nofollow">{}</a>', text, text
    )


def links_out(urls: Any) -> SafeString | str:
    found: Iterable[Any] = urls if isinstance(urls, list) else [urls] if urls else []
    return format_html_join("", "<div>{}</div>", ((link_out(url),) for url in found))
