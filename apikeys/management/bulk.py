"""The verbs of ``apikey`` about many keys: batch-create, batch-revoke, export, import."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import transaction

from apikeys.api.entries import Usual, to_import, to_issue
from apikeys.management.arguments import conditions_of, owner_of
from apikeys.management.output import Out, plain, target
from apikeys.management.progress import Progress
from apikeys.models import ApiKey
from apikeys.services.bulk.create import create_batch
from apikeys.services.bulk.export import start_export
from apikeys.services.bulk.importing import import_batch
from apikeys.services.bulk.reading import MAX_BYTES, Document, Problem, read
from apikeys.services.bulk.revoke import revocable, revoke_batch
from apikeys.services.bulk.select import matching
from apikeys.services.keys import IssuedKey
from apikeys.services.makers import system
from momentry.common.errors import MomentryError

ACTOR = "command"


def create(command: BaseCommand, options: dict[str, Any]) -> None:
    """Secrets are on the disk, or went out, before the transaction commits."""
    document = entries_of(options["file"])
    usual = Usual(options["owner"] or "", options["template"] or "")
    if usual.owner:
        owner_of(usual.owner)
    dry_run = options["dry_run"]
    with (
        told(command, document),
        target(None if dry_run else options["out"], command.stdout) as out,
        transaction.atomic(),
        watched(command, "issuing keys", len(document.entries)) as tell,
    ):
        wanted, problems = to_issue(document.entries, usual)
        issued = create_batch(
            wanted,
            maker=system(ACTOR),
            problems=[*document.problems, *problems],
            dry_run=dry_run,
            tell=tell,
        )
        if not dry_run:
            put_down(issued, out)
    done = "Would create {} keys; nothing was created." if dry_run else "Created {} keys."
    say(command, done.format(len(issued)))


def put_down(issued: list[IssuedKey], out: Out) -> None:
    for key, secret in issued:
        row = {"id": str(key.pk), "name": key.name, "api_key": secret}
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
    out.put_down()


def import_keys(command: BaseCommand, options: dict[str, Any]) -> None:
    document = entries_of(options["file"])
    dry_run = options["dry_run"]
    with told(command, document), watched(command, "importing", len(document.entries)) as tell:
        wanted, problems = to_import(document.entries, Usual())
        keys = import_batch(
            wanted,
            maker=system(ACTOR),
            problems=[*document.problems, *problems],
            dry_run=dry_run,
            tell=tell,
        )
    claimed = sum(key.is_claimed for key in keys)
    done = "Would import {} keys; nothing was imported." if dry_run else "Imported {} keys."
    say(command, f"{done.format(len(keys))} {claimed} of them with the hash of a secret.")


def revoke(command: BaseCommand, options: dict[str, Any]) -> None:
    conditions = conditions_of(options)
    with told(command):
        rows = revocable(conditions)
        count = rows.count()
        if options["dry_run"]:
            for key in rows.select_related("owner").defer("metadata").iterator():
                command.stdout.write(line(key))
            done = revoke_batch(conditions, actor=ACTOR, expect=options["expect"], dry_run=True)
            say(command, f"Would revoke {done.matched} keys.")
            return
        if not options["yes"]:
            raise CommandError(f"{count} keys match. Look with --dry-run; revoke with --yes.")
        with watched(command, "revoking keys", count) as tell:
            done = revoke_batch(conditions, actor=ACTOR, expect=options["expect"], tell=tell)
    say(command, f"Revoked {done.revoked} keys.")


def export(command: BaseCommand, options: dict[str, Any]) -> None:
    conditions = conditions_of(options)
    found = start_export(conditions, options["format"], actor=ACTOR)
    total = matching(conditions, found.now).count()
    with (
        target(options["output"], command.stdout) as out,
        watched(command, "exporting keys", total) as tell,
    ):
        for page in found.pages(tell):
            out.write(page.decode())
        out.put_down()
    say(command, f"Exported {found.rows} keys.")


def entries_of(path: str) -> Document:
    """``-`` is standard input."""
    try:
        with open(path, "rb") if path != "-" else sys.stdin.buffer as file:  # noqa: PTH123  or stdin
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from None
    document = read(data)
    if not document.entries and not document.problems:
        document.problems.append(Problem("#/keys", "there is no key in the file"))
    return document


@contextmanager
def told(command: BaseCommand, document: Document | None = None) -> Iterator[None]:
    """A refusal as lines of a report, in the order of the file, and exit code 1."""
    try:
        yield
    except MomentryError as error:
        errors = error.extra.get("errors", ())
        if document is None:
            raise CommandError(
                " ".join([error.detail, *(item["detail"] for item in errors)])
            ) from None
        problems = [Problem(item["pointer"], item["detail"]) for item in errors]
        problems.sort(key=lambda problem: document.lines.of(problem.pointer))
        for problem in problems:
            say(command, document.lines.say(problem))
        raise CommandError(f"{len(problems)} problems; nothing was changed.") from None


@contextmanager
def watched(command: BaseCommand, label: str, total: int) -> Iterator[Callable[[int], None]]:
    stream: Any = command.stderr  # what is under it colours nothing
    progress = Progress(stream._out, label, total)  # noqa: SLF001  Django has no other way in
    try:
        yield progress
    finally:
        progress.close()


def say(command: BaseCommand, text: str) -> None:
    command.stderr.write(plain(text), style_func=str)


def line(key: ApiKey) -> str:
    holder = key.owner.username if key.owner else key.service_name
    return plain(f"{key.pk}  {key.key_prefix}  {holder}  {key.name}")
