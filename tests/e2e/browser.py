"""Forms filled in as a browser would, over HTTP: fields keep what the page says."""

from html.parser import HTMLParser
from typing import Any

import httpx2


class Form(HTMLParser):
    """The values a browser would send for every form of a page, by field name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.select = self.textarea = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "input" and name:
            self.take_input(given, name, value)
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and "selected" in given:
            self.fields[self.select] = value
        elif tag == "textarea":
            self.textarea = name
            self.fields[name] = ""

    def take_input(self, given: dict[str, str | None], name: str, value: str) -> None:
        kind = given.get("type")
        if kind in {"submit", "button", "file"}:
            return
        if kind in {"checkbox", "radio"}:
            if "checked" in given:
                self.fields[name] = value or "on"
        else:
            self.fields.setdefault(name, value)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = ""
        elif tag == "textarea":
            self.textarea = ""

    def handle_data(self, data: str) -> None:
        if self.textarea:
            self.fields[self.textarea] += data.strip("\n")


def submit(client: httpx2.Client, url: str, **changes: Any) -> httpx2.Response:
    """GET the page, fill its form in, POST it back."""
    page = client.get(url)
    assert page.status_code == 200, (url, page.status_code)
    fields = Form(page.text).fields | changes
    return client.post(url, data=fields, headers={"Referer": str(page.url)})


def log_in(base: str, password: str) -> httpx2.Client:
    client = httpx2.Client(base_url=base, timeout=30)
    answer = submit(client, "/admin/login/", username="admin", password=password)
    assert answer.status_code == 302, answer.text[:2000]
    return client
