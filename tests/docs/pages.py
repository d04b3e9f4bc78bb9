"""Readers of the repository's Markdown, YAML and source, for tests that hold them equal."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
PACKAGES: Final = (
    "momentry", "accounts", "apikeys", "events", "provisioning", "proxy", "videos",
)  # fmt: skip
READERS: Final = {
    "text",
    "integer",
    "seconds",
    "number",
    "boolean",
    "words",
    "choice",
    "url",
    "has",
}
ENVIRONMENTS: Final = re.compile(r"\b(environ|environment|Environment|env|given)\b")
NAME: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
FOREIGN: Final = {"PATH", "LD_LIBRARY_PATH", "DJANGO_SETTINGS_MODULE", "NOTIFY_SOCKET"}
"""Names that other programs give their meaning to."""


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table_rows(text: str) -> Iterator[list[str]]:
    """Cells of every table row of a page, without heads and rules; code ticks are dropped."""
    lines = text.splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        following = before if before.startswith("|") else ""
        if line.startswith("|") and following and not is_rule(line):
            yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def is_rule(line: str) -> bool:
    return not set(line) - set("|-: ")


def fenced(text: str, heading: str, language: str = "sh") -> list[str]:
    """The lines of the first fenced block under a heading."""
    section = text.partition(f"\n{heading}\n")[2]
    block = section.partition(f"```{language}\n")[2].partition("\n```")[0]
    return [line for line in block.splitlines() if line.strip()]


def sources() -> Iterator[Path]:
    yield ROOT / "manage.py"
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def settings_read() -> set[str]:
    """Every environment variable that our code asks for by name."""
    found: set[str] = set()
    for source in sources():
        tree = ast.parse(source.read_text(encoding="utf-8"))
        constants = module_constants(tree)
        for node in ast.walk(tree):
            found.update(names_asked(node, constants))
    return {name.removesuffix("_FILE") for name in found} - FOREIGN


def module_constants(tree: ast.Module) -> dict[str, str]:
    """``VARIABLE = "NAME"`` at the top of a module, annotated or not."""
    found = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            found[target.id] = str(value.value)
    return found


def names_asked(node: ast.AST, constants: dict[str, str]) -> Iterator[str]:
    """``env.text("NAME")``, ``os.environ.get("NAME")``, ``os.environ["NAME"]``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        known = READERS | {"get"}
        if node.func.attr in known and is_environment(node.func.value):
            yield from named(node.args[0], constants)
    elif isinstance(node, ast.Subscript) and is_environment(node.value):
        yield from named(node.slice, constants)


def is_environment(node: ast.expr) -> bool:
    return ENVIRONMENTS.search(ast.unparse(node)) is not None


def named(node: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    text = ""
    if isinstance(node, ast.Constant):
        text = str(node.value)
    elif isinstance(node, ast.Name):
        text = constants.get(node.id, "")
    if NAME.fullmatch(text):
        yield text
