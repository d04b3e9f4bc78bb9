"""The models an upstream offers: which targets serve one, and what it is called there. Pure; it
chooses inside the upstream that the path names and the gate allows, never another one."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

UNKNOWN: Final = "This upstream has no such model."
HIDDEN: Final = "Name a model of this upstream in a JSON body of at most 1 MiB."
BLANKS: Final = " \t\n\r"
DECODER: Final = json.JSONDecoder()


class Model(NamedTuple):
    """``sent_as``: "" where the upstream calls it so too; ``targets``: base URLs, none for all;
    ``created``: in seconds since 1970."""

    name: str
    sent_as: str
    targets: frozenset[str]
    is_active: bool
    created: int


class Models(NamedTuple):
    """``only``: the upstream serves nothing else."""

    by_name: dict[str, Model]
    only: bool


class Choice(NamedTuple):
    """``refused``: why, else ""; ``targets``: base URLs, None for any; ``sent_as``: "" to leave the
    body as it is."""

    refused: str = ""
    targets: frozenset[str] | None = None
    sent_as: str = ""


def models_of(rows: Sequence[Sequence[Any]], only: bool) -> Models | None:
    """Of ROWS_SQL's column; None where there is nothing to look at."""
    if not rows and not only:
        return None
    made = [Model(row[0], row[1], frozenset(row[2]), row[3], row[4]) for row in rows]
    return Models({model.name: model for model in made}, only)


def pick(models: Models, names: Sequence[str], *, hidden: bool) -> Choice:
    """``names``: all that the call names, the body's first; ``hidden``: it has a body that names
    none we can read. A model that is switched off is no other one's name either."""
    found = [models.by_name.get(name) for name in names]
    for model in found:
        if models.only if model is None else not model.is_active:
            return Choice(refused=UNKNOWN)
    if hidden and models.only:
        return Choice(refused=HIDDEN)
    if not found or (first := found[0]) is None:
        return Choice()
    sent_as = "" if first.sent_as == first.name else first.sent_as
    return Choice(targets=first.targets or None, sent_as=sent_as)


def named_in(query: bytes | None) -> list[str]:
    """Models that a query names, as a WebSocket's does."""
    if not query or b"model" not in query.lower().replace(b"%", b"model"):
        return []
    text = query.decode("latin-1")
    pairs = parse_qsl(text, keep_blank_values=True)
    if ";" in text:  # where readers of old split too: whichever way it is read, it is judged
        pairs += parse_qsl(text, keep_blank_values=True, separator=";")
        pairs += parse_qsl(text.replace(";", "&"), keep_blank_values=True)
    return [value for name, value in pairs if name.lower() == "model"]


def renamed(body: bytes | bytearray, name: str) -> bytes:
    """The body, one JSON object that names a model, with this name instead; else byte for byte."""
    text = body.decode()
    at = text.index("{") + 1
    while True:
        key, at = DECODER.raw_decode(text, text.index('"', at))
        begin = after_blanks(text, text.index(":", at) + 1)
        _, at = DECODER.raw_decode(text, begin)
        if key == "model":
            return (text[:begin] + json.dumps(name) + text[at:]).encode()


def after_blanks(text: str, at: int) -> int:
    while text[at] in BLANKS:
        at += 1
    return at


def listed(models: Iterable[Model], owner: str) -> bytes:
    """As OpenAI's GET /v1/models answers."""
    data = [
        {"id": model.name, "object": "model", "created": model.created, "owned_by": owner}
        for model in models
    ]
    return json.dumps({"object": "list", "data": data}).encode()
