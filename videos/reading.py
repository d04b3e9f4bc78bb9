"""Lists of videos and jobs: which rows, in which order, and what is shown beside each of them.

A page takes the same few statements whatever is on it. Each filter begins at an index of the
owner's rows or of all, newest first; the search by a part of a name, which no index helps, looks
at no more than SEARCHED rows.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from django.db.models import Exists, Model, OuterRef, Prefetch, Q, QuerySet, Subquery

from videos.models import ProcessingJob, ProcessingStep, Video

M = TypeVar("M", bound=Model)
SEARCHED: Final = 10_000
HEAVY: Final = ("result", "artefacts")
DIRECT: Final = ("owner", "source", "over_quota")
VIDEO_ORDERINGS: Final = ("created_at", "name", "size")
NEWEST: Final = "-created_at"


def select_videos(rows: QuerySet[Video], wanted: dict[str, Any]) -> QuerySet[Video]:
    """``wanted``: filters by name, and the ordering."""
    rows = rows.filter(**{name: wanted[name] for name in DIRECT if name in wanted})
    rows = within(rows, wanted)
    if "no_owner" in wanted:
        rows = rows.filter(owner__isnull=wanted["no_owner"])
    if "deleted" in wanted:
        rows = rows.filter(deleted_at__isnull=not wanted["deleted"])
    if "state" in wanted:
        rows = in_state(rows, wanted["state"])
    if "q" in wanted:
        rows = containing(rows, wanted["q"])
    return ordered(rows, wanted.get("ordering", NEWEST))


def within(rows: QuerySet[M], wanted: dict[str, Any]) -> QuerySet[M]:
    if "created_after" in wanted:
        rows = rows.filter(created_at__gte=wanted["created_after"])
    if "created_before" in wanted:
        rows = rows.filter(created_at__lt=wanted["created_before"])
    return rows


def ordered(rows: QuerySet[M], ordering: str) -> QuerySet[M]:
    """By id last: rows that are equal keep their places from page to page."""
    return rows.order_by(ordering, "-id" if ordering.startswith("-") else "id")


def in_state(rows: QuerySet[Video], state: str) -> QuerySet[Video]:
    """Whose newest job is. The first condition follows from the second, and has an index: few
    videos are looked at where few are in that state."""
    jobs = ProcessingJob.objects.filter(video=OuterRef("pk"))
    newest = jobs.order_by("-created_at", "-pk").values("state")[:1]
    return (
        rows.filter(Exists(jobs.filter(state=state))).alias(now=Subquery(newest)).filter(now=state)
    )


def containing(rows: QuerySet[Video], part: str) -> QuerySet[Video]:
    """Of the newest SEARCHED of these rows those with the part in name or path."""
    moments = ordered(rows, NEWEST).values_list("created_at", flat=True)
    if (oldest := moments[SEARCHED - 1 : SEARCHED].first()) is not None:
        rows = rows.filter(created_at__gte=oldest)
    return rows.filter(Q(name__icontains=part) | Q(path__icontains=part))


def select_jobs(rows: QuerySet[ProcessingJob], wanted: dict[str, Any]) -> QuerySet[ProcessingJob]:
    direct = ("owner", "video", "state")
    rows = rows.filter(**{name: wanted[name] for name in direct if name in wanted})
    rows = within(rows, wanted)
    if "no_owner" in wanted:
        rows = rows.filter(owner__isnull=wanted["no_owner"])
    if "processor" in wanted:
        steps = ProcessingStep.objects.filter(job=OuterRef("pk"), processor=wanted["processor"])
        rows = rows.filter(Exists(steps))
    return ordered(rows, wanted.get("ordering", NEWEST))


def with_steps(rows: QuerySet[ProcessingJob], *, results: bool) -> QuerySet[ProcessingJob]:
    """``results``: up to 1 MB for each step, so for a job that is shown by itself only."""
    steps = ProcessingStep.objects.order_by("processor")
    return rows.prefetch_related(Prefetch("steps", steps if results else steps.defer(*HEAVY)))


def add_jobs(videos: Iterable[Video], *, owners: bool = False) -> list[Video]:
    """Each with ``newest_job``, or None there; with ``owners`` the jobs' are read too."""
    found = list(videos)
    jobs = ProcessingJob.objects.filter(video=OuterRef("pk")).order_by("-created_at", "-pk")
    chosen = Video.objects.filter(pk__in=[video.pk for video in found])
    newest = chosen.annotate(newest=Subquery(jobs.values("pk")[:1])).values("newest")
    related = ("owner",) if owners else ()
    jobs_of = ProcessingJob.objects.filter(pk__in=newest).select_related(*related)
    rows = with_steps(jobs_of, results=False)
    by_video = {job.video_id: job for job in rows} if found else {}
    for video in found:
        video.newest_job = by_video.get(video.pk)  # type: ignore[attr-defined]  # beside its fields
    return found
