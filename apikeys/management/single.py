"""The verbs of ``apikey`` about one key, and the list of them."""

import json
from typing import Any
from uuid import UUID

from django.core.management import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apikeys.api.serializers import KeySerializer, context
from apikeys.management.arguments import conditions_of
from apikeys.management.bulk import ACTOR, line, say
from apikeys.management.output import Standard
from apikeys.models import ApiKey
from apikeys.services.bulk.select import matching
from apikeys.services.keys import create_service_key, issue_secret, revoke_key
from apikeys.services.life import disable_key, enable_key, quarantine_key
from apikeys.services.makers import system
from apikeys.services.rotate import rotate_key


def issue(command: BaseCommand, options: dict[str, Any]) -> None:
    service = options["service_name"]
    with transaction.atomic():
        key = create_service_key(
            name=options["name"] or service,
            service_name=service,
            role=options["role"],
            actor=ACTOR,
        )
        print_secret(command, issue_secret(key))


def print_secret(command: BaseCommand, secret: str) -> None:
    """Before the transaction commits: what could not be printed was never issued."""
    with Standard(command.stdout) as out:
        out.write(secret + "\n")
        out.put_down()


def show(command: BaseCommand, options: dict[str, Any]) -> None:
    shown = KeySerializer(one(options["id"]), context=context(timezone.now())).data
    command.stdout.write(json.dumps(shown, ensure_ascii=True, indent=2, default=str))


def list_keys(command: BaseCommand, options: dict[str, Any]) -> None:
    rows = matching(conditions_of(options), timezone.now()).select_related("owner")
    count = 0
    for key in rows.defer("metadata").order_by("-created_at", "pk").iterator():
        command.stdout.write(line(key))
        count += 1
    say(command, f"{count} keys.")


def rotate(command: BaseCommand, options: dict[str, Any]) -> None:
    key = one(options["id"])
    with transaction.atomic():
        issued = rotate_key(key, maker=system(ACTOR), grace=options["grace"])
        print_secret(command, issued.secret)


def revoke(command: BaseCommand, options: dict[str, Any]) -> None:
    tell(command, revoke_key(one(options["id"]), actor=ACTOR), "Revoked.")


def disable(command: BaseCommand, options: dict[str, Any]) -> None:
    tell(command, disable_key(one(options["id"]), actor=ACTOR), "Disabled.")


def enable(command: BaseCommand, options: dict[str, Any]) -> None:
    tell(command, enable_key(one(options["id"]), maker=system(ACTOR)), "Enabled.")


def quarantine(command: BaseCommand, options: dict[str, Any]) -> None:
    key = one(options["id"])
    tell(command, quarantine_key(key, actor=ACTOR, reason=options["reason"]), "Quarantined.")


def one(key_id: UUID) -> ApiKey:
    key = ApiKey.objects.filter(pk=key_id, purged_at=None).select_related("owner").first()
    if key is None:
        raise CommandError("There is no such key.")
    return key


def tell(command: BaseCommand, changed: bool, done: str) -> None:
    say(command, done if changed else "It was so already.")
