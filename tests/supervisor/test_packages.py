"""Building a virtual environment: once, repaired when interrupted, with a sentence when not."""

import importlib.util
import io
import shutil
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from momentry.supervisor import packages
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.progress import Progress


@pytest.mark.slow
def test_a_second_start_runs_no_pip_and_an_interrupted_build_is_redone(tmp_path: Path) -> None:
    venv, requirements = tmp_path / ".venv", tmp_path / "requirements.txt"
    requirements.write_text("# nothing\n")

    packages.build(venv, requirements)
    site = next(venv.glob("lib/python*/site-packages"))
    shutil.rmtree(site / "pip")
    packages.build(venv, requirements)  # would fail if it ran pip
    assert (site / "momentry-checkout.pth").read_text() == f"{tmp_path}\n"

    (venv / packages.BUILDING).touch()
    (venv / "momentry-stamp.json").unlink()
    packages.build(venv, requirements)
    assert (site / "pip").exists()
    assert not (venv / packages.BUILDING).exists()


def test_without_ensurepip_the_package_to_install_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "ensurepip" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)

    with pytest.raises(CannotStartError, match=r"apt install python3\.\d+-venv"):
        packages.create(tmp_path / ".venv")


def test_a_failing_pip_is_one_sentence_with_its_words_above(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no-such-thing @ file:///nowhere/no-such-thing.whl\n")

    with pytest.raises(CannotStartError, match="pip could not install"):
        packages.install(venv, requirements)

    assert "ERROR" in capfd.readouterr().err


def test_a_venv_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".venv").write_text("a file in the way")

    with pytest.raises(CannotStartError, match="cannot be written"):
        packages.create(tmp_path / ".venv")


def test_progress_counts_packages() -> None:
    out = io.StringIO()
    progress = Progress(out, total=3)

    progress.feed("Ignoring async-timeout: markers do not match\n")
    progress.feed("Collecting django==5.2\n")
    progress.feed("  Downloading django.whl (8 MB)\n")
    progress.feed("Installing collected packages: django\n")

    assert out.getvalue() == "installing packages: 1 of 2 (django)\nunpacking 1 packages\n"


def test_progress_is_in_place_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    progress = Progress(out, total=2)

    progress.feed("Collecting aa==1")
    progress.feed("Collecting bb==1")
    progress.close()

    assert out.getvalue().count("\r\x1b[K") == 3
    assert "\n" not in out.getvalue()
