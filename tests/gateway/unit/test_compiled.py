"""Machine code instead of sources: of exactly these, all or none, before any is imported."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.gateway import compiled


def test_what_is_compiled_is_there():
    for name in compiled.NAMES:
        assert (compiled.ROOT / f"{name.replace('.', '/')}.py").is_file(), name


@pytest.fixture
def tree(tmp_path):
    for name in (*compiled.TREES, "events"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "module.py").write_text("A = 1\n")
    return tmp_path


@pytest.mark.parametrize("name", compiled.TREES)
def test_another_source_is_another_digest(tree, name):
    before = compiled.digest(tree)

    (tree / name / "module.py").write_text("A = 2\n")

    assert compiled.digest(tree) != before


def test_a_renamed_source_is_another_digest(tree):
    before = compiled.digest(tree)

    (tree / "proxy" / "module.py").rename(tree / "proxy" / "other.py")

    assert compiled.digest(tree) != before


def test_what_the_gateway_does_not_import_changes_nothing(tree):
    before = compiled.digest(tree)

    (tree / "events" / "module.py").write_text("A = 2\n")

    assert compiled.digest(tree) == before


def imported(
    made: Path, before: str = "", setting: str = "true"
) -> subprocess.CompletedProcess[str]:
    """Where a process finds one of the modules, if ``made`` is where the machine code is."""
    program = f"""
import os
from pathlib import Path
os.environ["GATEWAY_COMPILED"] = {setting!r}
from proxy.gateway import compiled
{before}
compiled.place = lambda: Path({str(made)!r})
compiled.prefer()
import proxy.gateway.lines
print(proxy.gateway.lines.__file__)
"""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=compiled.ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def made(tmp_path):
    """In the place of machine code a source that anybody can tell apart."""
    place = tmp_path / "proxy" / "gateway"
    place.mkdir(parents=True)
    (place / "lines.py").write_text("")
    return tmp_path


def test_it_comes_before_the_sources(made):
    assert imported(made).stdout.strip() == str(made / "proxy/gateway/lines.py")


def test_without_it_the_sources_are_used(tmp_path):
    found = imported(tmp_path / "nothing").stdout.strip()

    assert found == str(compiled.ROOT / "proxy/gateway/lines.py")


def test_who_does_not_want_it_gets_the_sources(made):
    found = imported(made, setting="false").stdout.strip()

    assert found == str(compiled.ROOT / "proxy/gateway/lines.py")


def test_half_of_it_is_never_used(made):
    done = imported(made, before="import proxy.gateway.head")

    assert done.returncode != 0
    assert "RuntimeError" in done.stderr


def named_handlers(function: ast.AST) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name and node.type:
            found.setdefault(node.name, set()).add(ast.unparse(node.type))
    return found


@pytest.mark.parametrize("name", compiled.NAMES)
def test_no_name_is_two_kinds_of_exception_in_one_function(name):
    """The compiler gives a name one type, the first: what comes second would be a TypeError, and
    only when it is raised."""
    source = (compiled.ROOT / f"{name.replace('.', '/')}.py").read_text()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for caught, kinds in named_handlers(function).items():
                assert len(kinds) == 1, f"{function.name}: {caught} is {kinds}"
