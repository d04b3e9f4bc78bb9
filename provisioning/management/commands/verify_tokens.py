"""manage.py verify_tokens: every external token is shown to its provider."""

from typing import Any

from django.core.management import BaseCommand

from provisioning.services.token_checks import verify_tokens


class Command(BaseCommand):
    help = (
        "Ask Gitea, n8n, SFTPGo and WordPress whether the tokens kept here are still good. A break "
        "is recorded once (token:broken). Safe to run twice and at once."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        states = verify_tokens(actor="command")
        counts = ", ".join(f"{states[state]} {state}" for state in sorted(states))
        self.stdout.write(f"Verified {sum(states.values())} tokens: {counts or 'none'}.")
