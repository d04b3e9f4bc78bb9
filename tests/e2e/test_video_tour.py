"""The tour of docs/videos.md, block by block in one shell, as a stranger would paste it."""

import json
import os
import re
import subprocess

import pytest

from tests.docs.pages import ROOT, page
from tests.e2e import up

HEADING = "## From nothing to a processed video"
URL = "http://127.0.0.1:3002"
PROCESSORS = ["asr", "cut", "yolo", "ocr", "face", "pose"]


def blocks():
    section = page("docs/videos.md").partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def test_the_tour_begins_with_up_and_stands_before_all_reference():
    text = page("docs/videos.md")

    assert blocks()[0] == "python3 manage.py up\n"
    assert text.index(HEADING) == text.index("\n## ") + 1


@pytest.fixture
def stack(tmp_path):
    """Its secrets are in var/, and the worker beside it, as in a clone."""
    (tmp_path / "integrations").symlink_to(ROOT / "integrations")
    running = up.start(tmp_path / "var")
    yield running
    running.stop()


@pytest.mark.slow
def test_the_tour_of_videos_ends_with_a_processed_video(stack, tmp_path):
    up_, register, key, work, look = blocks()
    assert up_
    parts = ["set -eu", register, key, work, look]
    script = "\necho; echo ---\n".join(parts)  # tells apart what each of them prints

    done = subprocess.run(
        ["sh", "-c", script.replace(URL, stack.url)],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    _, registered, made_key, worked, seen = done.stdout.split("---\n")
    assert [step["state"] for step in json.loads(registered)["steps"]] == ["queued"] * 6
    assert made_key.strip() == worked.strip() == ""
    job, videos, me = documents(seen)
    assert job["state"] == "done"
    results = {step["processor"]: step["result"] for step in job["steps"]}
    assert results == {name: {"seen": "/holiday.mp4"} for name in PROCESSORS}
    assert [video["path"] for video in videos["results"]] == ["/holiday.mp4"]
    assert me["storage"]["used"] == 1_048_576


def documents(text):
    """JSON objects that were printed one after another, without anything between them."""
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found
