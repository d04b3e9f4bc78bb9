"""manage.py apikey issue: a key for a machine, such as Prometheus or a script, printed once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import transaction

from apikeys.gate.scopes import ROLES
from apikeys.services.keys import create_service_key, issue_secret
from momentry.common.errors import MomentryError


class Command(BaseCommand):
    help = "Issue an API key for a service. The key is printed once and stored nowhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        issue = verbs.add_parser("issue", help="Issue a key with the scopes of a role.")
        issue.add_argument("--service-name", required=True)
        issue.add_argument("--role", required=True, choices=sorted(ROLES))
        issue.add_argument("--name", default="", help="Defaults to the service's name.")

    @transaction.atomic
    def handle(self, *_: Any, **options: Any) -> None:
        service = options["service_name"]
        try:
            key = create_service_key(
                name=options["name"] or service,
                service_name=service,
                role=options["role"],
                actor="command",
            )
            self.stdout.write(issue_secret(key))
        except MomentryError as error:
            raise CommandError(str(error.detail)) from None
