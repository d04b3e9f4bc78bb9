"""What routes of videos and events are asked about: made for each call, as its verb needs it."""

import itertools
from typing import Any
from uuid import UUID

from accounts.models import User
from apikeys.models import ApiKey
from events.models import Event
from tests.events import hooks
from videos.models import ProcessingJob, Processor, Source, Video
from videos.services import jobs, library, queue, results, uploads
from videos.services.leases import Holder
from videos.services.registering import register

V1 = "/api/v1/"
MEMBERS = tuple(f"{V1}{name}" for name in ("videos", "jobs", "uploads", "register"))
WORK = ("claim", "heartbeat", "results", "complete", "fail", "release")
WORKED_ON = ("heartbeat", "results", "complete", "fail", "release")
ACTOR = "test"
numbers = itertools.count(1)


def is_members_alone(path: str) -> bool:
    """A service's key is refused there, whatever its scopes."""
    is_work = path.startswith(f"{V1}jobs/") and path.rpartition("/")[2] in WORK
    return path.startswith(MEMBERS) and not is_work


class Films:
    """Of whose key calls, else of ``member``."""

    def __init__(self, member: User) -> None:
        self.member = member
        self.lease = ""

    def thing(self, path: str, key_id: str) -> UUID | None:
        """What stands for ``{id}``; None for a route of something else."""
        resource = path.removeprefix(V1).removeprefix("admin/").partition("/")[0]
        verb = path.rpartition("/")[2]
        if resource == "events" and "{id}" in path:
            return Event.objects.earliest("id").pk
        if "{id}" in path and resource in {"webhooks", "deliveries"}:
            row = hooks.endpoint().endpoint
            return row.pk if resource == "webhooks" else row.deliveries.get().pk
        if "{id}" not in path or resource not in {"videos", "jobs", "uploads"}:
            return None
        owner = ApiKey.objects.get(pk=key_id).owner if key_id else None
        if resource == "uploads":
            return uploads.start(owner or self.member, "/coming.mp4", 1).upload.pk
        path = f"/{next(numbers)}.mp4"
        made = register(owner or self.member, path, 1, source=Source.REST, actor=ACTOR)
        return self.video(made.video, verb) if resource == "videos" else self.job(made.job, verb)

    def video(self, video: Video, verb: str) -> UUID:
        if verb in {"restore", "purge"}:
            library.delete_video(video.pk, actor=ACTOR)
        return video.pk

    def job(self, job: ProcessingJob, verb: str) -> UUID:
        if verb == "requeue":
            jobs.cancel_open(job, ACTOR)
        if verb in WORKED_ON:
            found = queue.claim(Processor.values, worker="w", seconds=60, actor=ACTOR)
            assert found is not None
            assert found.job == job
            self.lease = str(found.lease)
            for name in Processor.values if verb == "complete" else ():
                holder = Holder(job.pk, found.lease, ACTOR)
                results.keep_result(holder, name, result={}, artefacts=[])
        return job.pk

    def body(self, route: str) -> dict[str, Any] | None:
        lease = {"lease": self.lease}
        at_work: dict[str, dict[str, Any]] = {
            "heartbeat": lease, "complete": lease, "release": lease,
            "results": {**lease, "processor": "asr", "result": {}}, "fail": {**lease, "error": "x"},
        }  # fmt: skip
        bodies: dict[str, dict[str, Any]] = {
            f"PATCH {V1}videos/{{id}}": {"name": "other"},
            f"PATCH {V1}admin/videos/{{id}}": {"name": "other"},
            f"POST {V1}register": {"path": "/b.mp4", "size": 1},
            f"POST {V1}uploads": {"path": "/b.mp4", "size": 1},
            f"POST {V1}jobs/claim": {"processors": ["asr"], "worker": "w"},
            f"POST {V1}admin/jobs/{{id}}/priority": {"priority": 1},
            f"POST {V1}admin/webhooks": {"url": hooks.PUBLIC, "kinds": ["*"]},
            f"PATCH {V1}admin/webhooks/{{id}}": {"kinds": ["apikey:*"]},
            f"POST {V1}hooks/sftpgo": {
                "action": "mkdir", "username": "nobody", "virtual_path": "/a",
            },
        }  # fmt: skip
        told = {f"POST {V1}jobs/{{id}}/{verb}": body for verb, body in at_work.items()}
        return bodies.get(route) or told.get(route)
