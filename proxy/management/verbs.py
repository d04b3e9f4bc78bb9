"""The verbs of ``upstream``."""

import json
from typing import Any, Final

from django.core.management import BaseCommand, CommandError

from apikeys.management.output import plain
from apikeys.models import Grant
from momentry.common.errors import MomentryError
from proxy.api.probing import UpstreamTested
from proxy.api.shapes import NewUpstreamInput, UpstreamInput, UpstreamSerializer
from proxy.management.inputs import credential_of
from proxy.models import Injection, Upstream
from proxy.services.probing import try_upstream
from proxy.services.upstreams import change_upstream, delete_upstream, make_upstream

ACTOR: Final = "command"


def list_all(command: BaseCommand, options: dict[str, Any]) -> None:
    rows = list(Upstream.objects.prefetch_related("targets"))
    if options["json"]:
        write(command, UpstreamSerializer(rows, many=True).data)
        return
    for upstream in rows:
        command.stdout.write(line(upstream))
    say(command, f"{len(rows)} upstreams.")


def show(command: BaseCommand, options: dict[str, Any]) -> None:
    upstream = one(options["slug"])
    shown = UpstreamSerializer(upstream).data
    if options["json"]:
        write(command, shown)
        return
    command.stdout.write(line(upstream))
    for target in shown["targets"]:
        state = "" if target["is_active"] else "  off"
        masked = target["api_key_masked"] or "no credential"
        text = f"  {target['base_url']}  weight {target['weight']}  {masked}{state}"
        command.stdout.write(plain(text))


def create(command: BaseCommand, options: dict[str, Any]) -> None:
    credential = credential_of(options)
    given = {"slug": options["slug"], "name": options["name"] or options["slug"]}
    given |= dict(options["fields"])
    if credential is not None:  # else it would be kept and never sent
        given.setdefault("injection", "header")
    given["targets"] = [target(url, credential) for url in options["urls"] or ()]
    if credential is not None and not given["targets"]:
        raise CommandError("A credential belongs to a target: name one with --url.")
    wanted = read(NewUpstreamInput(data=given))
    targets = wanted.pop("targets")
    made = make_upstream(Upstream(**wanted), targets, actor=ACTOR)
    done(command, options, made.slug, f"Made {made.slug}. Nobody may call it without a grant.")


def update(command: BaseCommand, options: dict[str, Any]) -> None:
    upstream = one(options["slug"])
    given: dict[str, Any] = dict(options["fields"])
    if options["name"]:
        given["name"] = options["name"]
    if (targets := targets_of(upstream, options)) is not None:
        given["targets"] = targets
    wanted = read(UpstreamInput(data=given, partial=True))
    wanted_targets = wanted.pop("targets", None)
    changed = change_upstream(upstream.slug, wanted, wanted_targets, actor=ACTOR)
    is_new = changed.version != upstream.version
    done(command, options, changed.slug, "Changed." if is_new else "It was so already.")
    if changed.injection == Injection.NONE and any(t.api_key for t in wanted_targets or ()):
        say(command, "Its injection is none: the credential is not sent.")


def targets_of(upstream: Upstream, options: dict[str, Any]) -> list[dict[str, Any]] | None:
    """As REST takes them: all of them, or None when they stay. A new credential is that of each of
    them, or of ``--for`` alone."""
    credential, only = credential_of(options), options["only"]
    given = credential is not None or options["no_credential"]
    if only and not given:
        raise CommandError("--for says whose credential is given; none is.")
    if not given and options["urls"] is None:
        return None
    before = {row.base_url: row for row in upstream.targets.all()}
    urls = list(before) if options["urls"] is None else options["urls"]
    if (given and not urls) or (only and only not in urls):
        raise CommandError("There is no such target to give a credential to.")
    found = []
    for url in urls:
        row = before.get(url)
        kept = {"weight": row.weight, "is_active": row.is_active} if row else {}
        key = {"api_key": credential} if given and only in {None, url} else {}
        found.append({"base_url": url, **kept, **key})
    return found


def target(url: str, credential: str | None) -> dict[str, Any]:
    return {"base_url": url} if credential is None else {"base_url": url, "api_key": credential}


def delete(command: BaseCommand, options: dict[str, Any]) -> None:
    upstream = one(options["slug"])
    if not options["yes"]:
        grants = Grant.objects.filter(upstream=upstream.slug).count()
        raise CommandError(f"{upstream.slug} goes with {grants} grants on it; delete with --yes.")
    delete_upstream(upstream.slug, actor=ACTOR)
    if options["json"]:
        write(command, {"slug": upstream.slug, "deleted": True})
    say(command, f"Deleted {upstream.slug}.")


def test(command: BaseCommand, options: dict[str, Any]) -> None:
    tested = try_upstream(options["slug"], actor=ACTOR, path=options["path"])
    if options["json"]:
        write(command, UpstreamTested(tested).data)
    else:
        for each in tested.targets:
            sent = str(each.credential or "no credential")
            text = f"{each.base_url}  {each.outcome}  {sent}  {each.ms} ms  {each.detail}"
            command.stdout.write(plain(text))
    if not tested.ok:
        raise CommandError("Not every target is well." if tested.targets else "No active target.")


def one(slug: str) -> Upstream:
    upstream = Upstream.objects.prefetch_related("targets").filter(slug=slug).first()
    if upstream is None:
        raise MomentryError("not_found", "There is no such upstream.")
    return upstream


def read(serializer: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def done(command: BaseCommand, options: dict[str, Any], slug: str, words: str) -> None:
    if options["json"]:
        write(command, UpstreamSerializer(one(slug)).data)
    say(command, words)


def write(command: BaseCommand, data: Any) -> None:
    command.stdout.write(json.dumps(data, ensure_ascii=True, indent=2, default=str))


def line(upstream: Upstream) -> str:
    state = "active" if upstream.is_active else "off"
    count = sum(each.is_active for each in upstream.targets.all())
    how = f"{count} targets  {upstream.injection}  {upstream.usage_format}"
    return plain(f"{upstream.slug}  {state}  {how}  {upstream.name}")


def say(command: BaseCommand, text: str) -> None:
    command.stderr.write(plain(text), style_func=str)
