"""manage.py resolve_pending: pending members whose name and address are free by now live."""

from typing import Any

from django.core.management import BaseCommand

from provisioning.services.members import resolve_waiting


class Command(BaseCommand):
    help = (
        "Let pending members live whose name and address nobody else has any more. That happens by "
        "itself when the other one leaves; this is for what a killed process left undone."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(f"Resolved {resolve_waiting(actor='command')} pending members.")
