"""The plugin that serves every test run, and `manage.py test`'s arguments."""

import pytest

from momentry.supervisor.checks import Result, pytest_arguments, split, verdict
from tests.services import database_of


@pytest.mark.parametrize(
    ("worker", "url", "expected"),
    [
        ("gw0", "unix:///run/valkey.sock?db=0", "unix:///run/valkey.sock?db=1"),
        ("gw1", "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/2"),
        ("gw1", "redis://:word@127.0.0.1:6379", "redis://:word@127.0.0.1:6379/2"),
        ("gw2", "rediss://host/4", "rediss://host/7"),
    ],
)
def test_each_worker_has_a_database_of_its_own(worker: str, url: str, expected: str) -> None:
    assert database_of(worker, url) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["-m", "not slow", "-n", "2"]),
        (["--all"], ["-n", "3"]),
        (["-n0", "tests/x.py"], ["-m", "not slow", "-n0", "tests/x.py"]),
        (["-m", "slow"], ["-n", "2", "-m", "slow"]),
    ],
)
def test_pytest_gets_the_quick_tier_unless_told_otherwise(
    given: list[str], expected: list[str]
) -> None:
    assert pytest_arguments(given) == expected


def test_steps_are_chosen_by_name() -> None:
    assert split(["--only", "lint", "-x", "--only=types"]) == ({"lint", "types"}, ["-x"])


def test_one_failed_step_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict([Result("lint", True, 1.0), Result("types", False, 2.0)]) == 1
    assert capsys.readouterr().out.endswith("steps: 1 passed, 1 failed\n")


def test_after_a_pytest_that_passed_nothing_follows(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict([Result("lint", True, 1.0), Result("pytest", True, 2.0)]) == 0
    assert capsys.readouterr().out == ""
