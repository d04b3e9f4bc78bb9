"""docs/provisioning.md: every line from an empty WordPress to a member is run, in its order."""

import json
import re
import shutil
import subprocess

import pytest

from tests.docs.pages import ROOT, page
from tests.wordpress.conftest import SECRET
from tests.wordpress.installation import PLUGIN, WordPress
from tests.wordpress.momentry import Momentry

pytestmark = pytest.mark.slow
STEP = re.compile(r"^### (\d\. .+)\n(?:.*\n)*?```sh\n((?:.*\n)*?)```", re.MULTILINE)


@pytest.fixture
def empty(tmp_path):
    """A WordPress nobody did anything to."""
    made = WordPress(tmp_path / "wordpress").start()
    shutil.rmtree(made.site / "wp-content" / "plugins" / PLUGIN.name)
    yield made
    made.stop()


def test_every_step_does_what_the_guide_says(empty, tmp_path):
    steps = [text for _, text in STEP.findall(page("docs/provisioning.md"))]
    assert len(steps) == 5
    assert steps[1].endswith("python3 manage.py up\n")
    momentry = Momentry(tmp_path / "var", empty, SECRET)
    values = {
        "PATH": empty.environment["PATH"], "MOMENTRY_NO_VENV": "1", "WORDPRESS": empty.url,
        "WORDPRESS_DIR": str(empty.site), "WP_USER": "root",
        "WP_PASSWORD": empty.application_password, "MOMENTRY": momentry.url,
    }  # fmt: skip

    def run(text: str) -> str:
        """What it printed last, on one line; what it exports stays."""
        done = subprocess.run(
            ["bash", "-euc", f"{text}\necho; env -0"], env=values, cwd=ROOT, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        told, _, exported = done.stdout.rpartition("\n")
        values.update(line.split("=", 1) for line in exported.split("\0") if "=" in line)
        return told.strip()

    run(steps[0])
    run(steps[1].replace("python3 manage.py up", ""))
    momentry.settings = {n: v for n, v in values.items() if n.startswith("WORDPRESS_")}
    momentry.start()
    try:
        values["ADMIN_TOKEN"] = momentry.running.admin_token
        run(steps[2])
        run(steps[3])
        empty.minute()  # PHP may take two seconds to see a changed wp-config.php
        members = json.loads(run(steps[4]))["results"]
        letters = momentry.rows("SELECT count(*) FROM events_mail")
    finally:
        momentry.stop()

    ann = next(member for member in members if member["username"] == "ann")
    assert (ann["status"], ann["email"], ann["wordpress_id"]) == ("active", "ann@example.org", 2)
    assert letters == [(1,)]
