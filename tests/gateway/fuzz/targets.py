"""Every target by its name: what is checked, valid inputs to begin from, words worth inserting."""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from tests.gateway.fuzz import (
    addresses,
    answers,
    chunks,
    credentials,
    fields,
    frames,
    fronts,
    handshakes,
    logged,
    onward,
    passages,
    paths,
    questions,
    replies,
    requests,
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
    "chunks": target(chunks),
    "credentials": target(credentials),
    "fields": target(fields),
    "frames": target(frames),
    "fronts": target(fronts),
    "handshakes": target(handshakes),
    "logged": target(logged),
    "onward": target(onward),
    "passages": target(passages),
    "paths": target(paths),
    "questions": target(questions),
    "replies": target(replies),
    "requests": target(requests),
    "signed": target(signed),
    "sizes": target(sizes),
    "usage": target(usage),
}
