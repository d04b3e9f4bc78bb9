"""Tuples whose ``repr`` leaves secrets out: tracebacks, logs and test reports print it."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])


def veils(*names: str) -> Callable[[type[T]], type[T]]:
    """Decorates a NamedTuple: these fields are in it, but not in what is printed of it."""

    def veil(made: type[T]) -> type[T]:
        shown = [name for name in made.__dict__["_fields"] if name not in names]

        def text(self: T) -> str:
            fields = (f"{name}={getattr(self, name)!r}" for name in shown)
            return f"{made.__name__}({', '.join(fields)})"

        setattr(made, "__repr__", text)  # noqa: B010  to mypy it is a method of object's
        return made

    return veil
