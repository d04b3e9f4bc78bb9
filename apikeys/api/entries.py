"""Entries of batches and imports made into keys to issue, for REST, the command and the admin: a
file means one thing everywhere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models.functions import Lower
from rest_framework import serializers

from accounts.models import LIVE, User
from apikeys.api.answers import new_key
from apikeys.api.bulkinputs import BatchKeyInput, ImportKeyInput
from apikeys.models import KeyTemplate, KeyType, Tier
from apikeys.services.bulk.batches import MOST, Names, problems_of
from apikeys.services.bulk.create import Wanted
from apikeys.services.bulk.importing import Imported
from apikeys.services.bulk.reading import Problem


@dataclass(frozen=True)
class Usual:
    """What entries get that do not say it: the owner (id or username) of members' keys."""

    owner: str = ""
    template: str = ""


class Shaped(NamedTuple):
    """An entry whose shape is right, as its serializer has it."""

    given: dict[str, Any]
    names: Names


def to_issue(entries: list[Any], usual: Usual) -> tuple[list[Wanted], list[Problem]]:
    """Keys to issue, and what is wrong with the other entries."""
    shaped, problems = shape(entries, BatchKeyInput, usual)
    return [Wanted(new_key(given), names) for given, names in shaped], problems


def to_import(entries: list[Any], usual: Usual) -> tuple[list[Imported], list[Problem]]:
    shaped, problems = shape(entries, ImportKeyInput, usual)
    return [imported(*one) for one in shaped], problems


def imported(given: dict[str, Any], names: Names) -> Imported:
    kept = [given.pop(name, None) for name in ("id", "created_at", "disabled_at", "secret_hash")]
    return Imported(new_key(given), names, *kept)


def shape(
    entries: list[Any], kind: type[BatchKeyInput], usual: Usual
) -> tuple[list[Shaped], list[Problem]]:
    if len(entries) > MOST:
        return [], [Problem("#/keys", f"are at most {MOST} in one file")]
    context = {"tiers": set(Tier.objects.values_list("slug", flat=True))}
    types = dict(KeyTemplate.objects.values_list("slug", "key_type"))
    shaped: list[Shaped] = []
    problems: list[Problem] = []
    for place, entry in enumerate(entries):
        serializer = kind(data=entry, context=context)
        if serializer.is_valid():
            given = settled(dict(serializer.validated_data), usual, types)
            shaped.append(Shaped(given, Names(place, aliases(entry))))
        else:
            error = serializers.ValidationError(serializer.errors)
            problems += problems_of(error, Names(place, {}))
    shaped, unknown = with_owners(shaped)
    return shaped, [*problems, *unknown, *(repeated(shaped) if kind.unique_names else ())]


def settled(given: dict[str, Any], usual: Usual, types: dict[str, str]) -> dict[str, Any]:
    """What follows: the type, a service's name, the role of an admin key."""
    if usual.template:
        given.setdefault("template", usual.template)
    kind = given.get("key_type") or types.get(given.get("template", "")) or type_of(given, usual)
    given["key_type"] = kind
    if kind == KeyType.USER:
        if usual.owner:
            given.setdefault("owner", [usual.owner])
        return given
    given["service_name"] = given.get("service_name") or given["name"]
    if kind == KeyType.ADMIN:
        given["role"] = given.get("role") or "admin"
    return given


def type_of(given: dict[str, Any], usual: Usual) -> str:
    if given.get("role") == "admin":
        return KeyType.ADMIN
    if given.get("service_name") or given.get("role"):
        return KeyType.SERVICE
    return KeyType.USER if given.get("owner") or usual.owner else KeyType.SERVICE


def aliases(entry: dict[str, Any]) -> dict[str, str]:
    """What this entry called what, for pointers into it."""
    end = next((name for name in ("ttl_days", "expires_in_days") if name in entry), "expires_at")
    return {"scopes": "permissions" if "permissions" in entry else "scopes", "expires_at": end}


def repeated(shaped: Iterable[Shaped]) -> Iterator[Problem]:
    """Two entries of one name for one holder are a slip of whoever wrote the file."""
    seen: dict[tuple[str, ...], int] = {}
    for given, names in shaped:
        holder = str(given.get("owner", ""))
        mark = (given["name"], given["key_type"], holder, given.get("service_name", ""))
        first = seen.setdefault(mark, names.place)
        if first != names.place:
            detail = f"keys[{first}] has this name and holder already"
            yield Problem(f"#/keys/{names.place}/name", detail)


def with_owners(shaped: list[Shaped]) -> tuple[list[Shaped], list[Problem]]:
    """Ids of members instead of what named them, two queries for all."""
    known = members({text for given, _ in shaped for text in given.get("owner", ())})
    found: list[Shaped] = []
    problems: list[Problem] = []
    for entry in shaped:
        texts = entry.given.get("owner")
        if texts is None:
            found.append(entry)
            continue
        owner = next((known[text.casefold()] for text in texts if text.casefold() in known), None)
        if owner is None:
            detail = "is neither the id nor the username of a member"
            problems.append(Problem(f"#/keys/{entry.names.place}/owner", detail))
        else:
            entry.given["owner"] = owner
            found.append(entry)
    return found, problems


def members(texts: set[str]) -> dict[str, UUID]:
    """By id and by username, whatever the case; usernames are unique among the living."""
    ids = {text: found for text in texts if (found := as_uuid(text))}
    there = set(User.objects.filter(pk__in=ids.values()).values_list("pk", flat=True))
    names = User.objects.filter(status__in=LIVE).annotate(folded=Lower("username"))
    rows = names.filter(folded__in=[text.lower() for text in texts])
    by_name = {name.casefold(): key for name, key in rows.values_list("username", "pk")}
    return by_name | {text.casefold(): key for text, key in ids.items() if key in there}


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
