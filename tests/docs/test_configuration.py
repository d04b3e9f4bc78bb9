"""Settings that the code reads, .env.example and the configuration page are the same list."""

import re

from tests.docs.pages import NAME, page, settings_read, table_rows

COMPOSE_ONLY = re.compile(r"\$\{([A-Z0-9_]+)")
EXAMPLE = re.compile(r"^(?:# ?)?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)


def settings() -> set[str]:
    return settings_read() | set(COMPOSE_ONLY.findall(page("docker-compose.yml")))


def documented() -> dict[str, list[str]]:
    rows = [row for row in table_rows(page("docs/configuration.md")) if NAME.fullmatch(row[0])]
    assert len(rows) == len({row[0] for row in rows}), "a setting has two rows"
    return {row[0]: row for row in rows}


def test_the_reader_of_sources_finds_each_way_of_asking():
    found = settings_read()

    assert {"SECRET_KEY", "ENCRYPTION_KEY", "API_KEY_PEPPERS"} <= found  # direct, and by constant
    assert {"MOMENTRY_NO_VENV", "WORDPRESS_URL", "DJANGO_SOCKET"} <= found


def test_the_configuration_page_has_one_row_per_setting():
    assert set(documented()) == settings()


def test_every_row_has_a_default_and_a_meaning():
    assert [name for name, row in documented().items() if len(row) != 3 or not all(row)] == []


def test_the_example_file_has_one_line_per_setting():
    found = [name for name, _ in EXAMPLE.findall(page(".env.example"))]

    assert sorted(found) == sorted(settings())


def test_the_example_file_holds_no_secret():
    values = dict(EXAMPLE.findall(page(".env.example")))
    named = re.compile(r"(KEY|PEPPER|TOKEN|PASSWORD|SECRET|_URL)(?!.*_(SECONDS|DAYS|HASHER)$)")
    secret = [name for name in values if named.search(name)]

    assert {name: values[name] for name in secret if is_secret(values[name])} == {}


def is_secret(value: str) -> bool:
    """Anything that could be used as it stands; addresses without a password are none."""
    password = re.search(r"://[^:/@]*:([^@/]+)@", value)
    if password:
        return password[1] != "password"
    return bool(value) and "://" not in value
