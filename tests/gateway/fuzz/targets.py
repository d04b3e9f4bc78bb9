"""Every target by its name: what is checked, valid inputs to begin from, words worth inserting."""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from tests.gateway.fuzz import (
    addresses,
    answers,
    bodies,
    chunks,
    credentials,
    fields,
    frames,
    fronts,
    handshakes,
    hidden,
    logged,
    onward,
    passages,
    paths,
    questions,
    replies,
    requests,
    rules,
    signed,
    sizes,
    usage,
)


class Target(NamedTuple):
    check: Callable[[bytes], None]  # any exception is a finding
    seeds: list[bytes]
    tokens: list[bytes]


def target(module: ModuleType) -> Target:
    return Target(module.check, module.SEEDS, module.TOKENS)


TARGETS = {
    "addresses": target(addresses),
    "answers": target(answers),
    "bodies": target(bodies),
    "chunks": target(chunks),
    "credentials": target(credentials),
    "fields": target(fields),
    "frames": target(frames),
    "fronts": target(fronts),
    "handshakes": target(handshakes),
    "hidden": target(hidden),
    "logged": target(logged),
    "onward": target(onward),
    "passages": target(passages),
    "paths": target(paths),
    "questions": target(questions),
    "replies": target(replies),
    "requests": target(requests),
    "rules": target(rules),
    "signed": target(signed),
    "sizes": target(sizes),
    "usage": target(usage),
}
