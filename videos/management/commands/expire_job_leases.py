"""manage.py expire_job_leases: steps whose worker was not heard of in time wait again."""

from typing import Any

from django.core.management import BaseCommand

from videos.services.leases import expire_all


class Command(BaseCommand):
    help = (
        "Put steps back into the queue whose lease ran out, or give them up after five attempts. "
        "That happens each minute by itself, and while workers wait for jobs."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"{expire_all(actor='command')} leases of steps ran out.")
