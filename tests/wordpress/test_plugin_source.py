"""The plugin as source: PHP's own check, what translators get, what the readme promises."""

import re
import subprocess

import pytest

from tests.gateway.tools import program
from tests.wordpress.installation import PLUGIN

pytestmark = pytest.mark.slow
SOURCES = sorted(PLUGIN.rglob("*.php"))
CALLED = re.compile(r"""\b(?:esc_html__|esc_attr__|i18n\.__|__)\(\s*'((?:[^'\\]|\\.)*)'""")


def test_php_has_nothing_to_say():
    for path in SOURCES:
        done = subprocess.run(
            [program("php", "php-cli"), "-d", "error_reporting=-1", "-d", "display_errors=1",
             "-l", str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout.strip() == f"No syntax errors detected in {path}", done.stdout


def test_nothing_newer_than_php_7_4_is_used():
    """Words of PHP 8 that -l of a newer PHP lets pass."""
    newer = re.compile(
        r"\bmatch\s*\(|\?->|\bstr_(contains|starts_with|ends_with)\(|(?<!')\breadonly\b|\benum\s+\w+\s*\{"
        r"|#\[|\bmixed\s+\$|\)\s*:\s*(static|never|mixed)\b|catch\s*\(\s*\\?\w+\s*\)"
        r"|function [^(]*\([^)]*\w+\s*\|\s*\w+\s+\$|function __construct\(\s*(private|public)"
    )
    for path in SOURCES:
        assert not newer.search(path.read_text()), path


def test_no_file_runs_when_it_is_asked_for_directly():
    for path in SOURCES:
        guard = "WP_UNINSTALL_PLUGIN" if path.name == "uninstall.php" else "ABSPATH"
        assert f"defined( '{guard}' ) || exit;" in path.read_text(), path


def test_every_text_is_in_the_catalogue():
    catalogue = (PLUGIN / "languages" / "momentry-provisioning.pot").read_text()
    whole = re.sub(r'"\n"', "", catalogue)
    for path in [*SOURCES, *PLUGIN.rglob("*.js")]:
        for text in CALLED.findall(path.read_text()):
            assert f'msgid "{text}"' in whole, (path.name, text)
    assert set(re.findall(r"'momentry-provisioning'", catalogue)) == set()


def test_readme_and_header_agree():
    readme = (PLUGIN / "readme.txt").read_text()
    header = (PLUGIN / "momentry-provisioning.php").read_text()
    for ours, theirs in (("Stable tag", "Version"), ("Requires PHP", "Requires PHP"),
                         ("Requires at least", "Requires at least")):  # fmt: skip
        told = re.search(rf"^{ours}: (\S+)$", readme, re.MULTILINE)[1]
        assert told == re.search(rf"^ \* {theirs}:\s+(\S+)$", header, re.MULTILINE)[1]
    assert "GPL" in header
    for section in ("Description", "Installation", "Changelog"):
        assert f"== {section} ==" in readme
