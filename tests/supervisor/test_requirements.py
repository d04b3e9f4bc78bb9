"""The stamp of the virtual environment."""

from pathlib import Path

import pytest

from momentry.supervisor.requirements import installed_here, read_pins, stamped, write_stamp

RUNTIME = "aa==1.0 \\\n    --hash=sha256:00\nbb[extra]==2.0 ; python_full_version < '3.12' \\\n"
DEVELOPMENT = f"{RUNTIME}# via\ncc==3\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    runtime = tmp_path / "requirements.txt"
    development = tmp_path / "requirements-dev.txt"
    runtime.write_text(RUNTIME)
    development.write_text(DEVELOPMENT)
    return tmp_path, runtime, development


def test_pins_are_read_with_extras_and_markers(files: tuple[Path, Path, Path]) -> None:
    _, runtime, _ = files

    assert [str(pin) for pin in read_pins(runtime)] == ["aa==1.0", "bb==2.0"]
    assert [pin.conditional for pin in read_pins(runtime)] == [False, True]


def test_without_a_stamp_nothing_is_installed(files: tuple[Path, Path, Path]) -> None:
    venv, runtime, _ = files

    assert not stamped(venv, runtime, "3.11")


def test_the_development_stamp_satisfies_the_runtime(files: tuple[Path, Path, Path]) -> None:
    venv, runtime, development = files

    write_stamp(venv, development, "3.11")

    assert stamped(venv, runtime, "3.11")
    assert stamped(venv, development, "3.11")


def test_the_runtime_stamp_does_not_satisfy_development(files: tuple[Path, Path, Path]) -> None:
    venv, runtime, development = files

    write_stamp(venv, runtime, "3.11")

    assert not stamped(venv, development, "3.11")


def test_another_python_needs_another_build(files: tuple[Path, Path, Path]) -> None:
    venv, runtime, _ = files

    write_stamp(venv, runtime, "3.11")

    assert not stamped(venv, runtime, "3.12")


def test_a_changed_pin_needs_another_build(files: tuple[Path, Path, Path]) -> None:
    venv, runtime, _ = files
    write_stamp(venv, runtime, "3.11")

    runtime.write_text(RUNTIME.replace("aa==1.0", "aa==1.1"))

    assert not stamped(venv, runtime, "3.11")


def test_a_damaged_stamp_counts_as_none(files: tuple[Path, Path, Path]) -> None:
    venv, runtime, _ = files
    write_stamp(venv, runtime, "3.11")

    (venv / "momentry-stamp.json").write_text('{"python": "3.11"')

    assert not stamped(venv, runtime, "3.11")


def test_this_interpreter_is_asked_for_each_pin(tmp_path: Path) -> None:
    version = __import__("pytest").__version__
    wanted = tmp_path / "wanted.txt"

    wanted.write_text(f"pytest=={version}\nnot-there==1 ; python_full_version < '3'\n")
    assert installed_here(wanted)

    wanted.write_text("pytest==0.1\n")
    assert not installed_here(wanted)

    wanted.write_text("not-there==1\n")
    assert not installed_here(wanted)
