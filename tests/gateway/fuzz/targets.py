"""Every target by its name: what is checked, valid inputs to begin from, words worth inserting."""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from tests.gateway.fuzz import (
    addresses,
    answers,
    chunks,
    frames,
    onward,
    passages,
    paths,
    questions,
    requests,
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
    "frames": target(frames),
    "onward": target(onward),
    "passages": target(passages),
    "paths": target(paths),
    "questions": target(questions),
    "requests": target(requests),
    "usage": target(usage),
}
