"""/favicon.ico is ours, small, kept by browsers, and asks nobody else."""

from xml.etree import ElementTree as ET

from django.test import Client


def test_browsers_get_an_icon_they_may_keep() -> None:
    answer = Client().get("/favicon.ico")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert "public" in answer.headers["Cache-Control"]
    assert ET.fromstring(answer.content).tag == "{http://www.w3.org/2000/svg}svg"
    assert answer.content.count(b"http") == 1  # the name space
    assert len(answer.content) < 1000
