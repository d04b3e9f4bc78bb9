"""Dockerfile, .dockerignore and docker-compose.yml against the tree, without a Docker engine."""

import re
from pathlib import Path

import pytest

from tests.deploy.compose import ENGINES, ROOT, copied, dockerfile, in_start_order, ours, services

NEEDED = ("POSTGRES_PASSWORD", "SECRET_KEY", "ENCRYPTION_KEY", "API_KEY_PEPPERS", "ADMIN_TOKEN")
VARIABLES = dict.fromkeys(NEEDED, "x")


def test_what_the_image_copies_exists_and_reaches_the_engine():
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert [source for source in copied() if not (ROOT / source).exists()] == []
    assert [source for source in copied() if f"!{source}" not in ignore] == []


def test_the_image_has_every_package_of_ours():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

    assert packages - set(copied()) == set()


def test_the_image_has_the_machine_code_of_what_it_copies():
    before, rest = dockerfile().split(" AS machine-code\n")
    stage, image = rest.split("\nFROM ")
    sources = re.findall(r"^COPY (\w+) \./\w+$", stage, re.MULTILINE)

    assert before.splitlines()[-1] == f"FROM {image.splitlines()[0]}", (
        "another Python's is not used"
    )
    assert sorted(sources) == sorted(re.findall(r"^COPY (\w+) \./\w+$", image, re.MULTILINE))
    assert "COPY --from=machine-code /app/var/compiled ./var/compiled" in image


def test_the_image_runs_as_nobody_in_particular_and_stops_on_sigterm():
    text = dockerfile()

    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["momentry"]
    assert "STOPSIGNAL SIGTERM" in text
    assert "--require-hashes" in text


def test_who_needs_a_processor_for_long_yields_to_the_gateway():
    shares = {name: item.get("cpu_shares", 1024) for name, item in ours(VARIABLES).items()}

    assert max(shares["django"], shares["relay"], shares["worker"]) < shares["gateway"]


def test_only_the_gateway_publishes_a_port_and_only_on_the_loopback():
    ports = {name: item["ports"] for name, item in services(VARIABLES).items() if "ports" in item}

    assert ports == {"gateway": ["127.0.0.1:3002:3002"]}


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_compose_stops_with_a_sentence_when_a_secret_is_missing(name):
    rest = {key: value for key, value in VARIABLES.items() if key != name}

    with pytest.raises(KeyError, match=f"{name} is missing, see .env.example"):
        services(rest)


@pytest.mark.parametrize("name", sorted(ours(VARIABLES)))
def test_every_service_of_ours_is_confined(name):
    item = ours(VARIABLES)[name]

    assert item["read_only"] is True
    assert item["cap_drop"] == ["ALL"]
    assert item["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert "healthcheck" in item


def test_everything_waits_for_the_migration_and_the_migration_for_the_database():
    items = ours(VARIABLES)
    migrated = {"condition": "service_completed_successfully"}

    assert items["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert {
        name: item["depends_on"].get("migrate") for name, item in items.items() if name != "migrate"
    } == dict.fromkeys(set(items) - {"migrate"}, migrated)
    assert in_start_order(items)[0] == "migrate"


def test_data_of_the_engines_is_kept_in_volumes():
    found = services(VARIABLES)

    assert {name: bool(found[name]["volumes"]) for name in ENGINES} == dict.fromkeys(ENGINES, True)


def test_no_image_is_taken_by_a_moving_name():
    images = {item["image"] for item in services(VARIABLES).values()} - {"momentry"}

    assert [image for image in images if not re.search(r":\d+", image)] == []


def test_the_ci_script_is_executable():
    assert Path(ROOT / ".ci" / "run").stat().st_mode & 0o111 == 0o111
