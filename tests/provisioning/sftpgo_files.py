"""The file half of the stand-in for SFTPGo: real files, its own quota, and its hooks as the real
one calls them: pre-upload waited for, the others side by side, each repeated with identical bytes
until it is answered with exactly 200 or the tries are used up."""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.provisioning.sftpgo import StandIn

AT_ONCE = 150  # internal/common/actions.go hooksConcurrencyGuard
RETRY_WAIT = 0.2  # the real one waits 2 to 30 s, three times
RETRY_MAX = 150
HOME = "/data"


class FileStandIn(StandIn):
    """``told``: what hooks were to say of files; ``lost``: those that nobody took."""

    def __init__(self, root: Path, hook: str, key: str) -> None:
        super().__init__()
        self.root, self.hook, self.key = root, urlsplit(hook), key
        self.told: list[dict[str, Any]] = []
        self.lost: list[tuple[int, dict[str, Any]]] = []
        self.pool = ThreadPoolExecutor(AT_ONCE)
        self.moment = 0

    def upload(self, username: str, path: str, content: bytes) -> bool:
        """False when it was refused, by the hook or by the quota here."""
        if self.call(self.event("pre-upload", username, path)) != 200:
            return False
        with self.lock:
            place, account = self.place(username, path), self.users[username]
            before = place.stat().st_size if place.exists() else 0
            used = account["used_quota_size"] - before + len(content)
            if 0 < account["quota_size"] < used:
                self.notify(self.event("upload", username, path, status=3))
                return False
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            account["used_quota_size"] = used
            self.notify(self.event("upload", username, path, file_size=len(content)))
        return True

    def delete(self, username: str, path: str) -> None:
        with self.lock:
            place = self.place(username, path)
            if place.exists():
                self.users[username]["used_quota_size"] -= (size := place.stat().st_size)
                place.unlink()
                self.notify(self.event("delete", username, path, file_size=size))

    def rename(self, username: str, path: str, target: str) -> None:
        with self.lock:
            place, new = self.place(username, path), self.place(username, target)
            if not place.exists() or place == new:
                return
            if new.exists():
                self.users[username]["used_quota_size"] -= new.stat().st_size
            new.parent.mkdir(parents=True, exist_ok=True)
            place.rename(new)
            there = {"virtual_target_path": target, "target_path": f"{HOME}/{username}{target}"}
            self.notify(self.event("rename", username, path, **there))

    def place(self, username: str, path: str) -> Path:
        return self.root / username / path.lstrip("/")

    def files(self, username: str) -> dict[str, bytes]:
        home = self.root / username
        found = (place for place in home.rglob("*") if place.is_file())
        return {f"/{place.relative_to(home)}": place.read_bytes() for place in found}

    def event(self, action: str, username: str, path: str, **given: Any) -> dict[str, Any]:
        """As Go writes it: what is empty or zero is not there."""
        with self.lock:
            self.moment = max(self.moment + 1, time.time_ns())
        whole = {
            "action": action, "username": username, "path": f"{HOME}/{username}{path}",
            "virtual_path": path, "status": 1, "protocol": "SFTP", "ip": "192.0.2.7",
            "session_id": "SFTP_x_1", "timestamp": self.moment, **given,
        }  # fmt: skip
        return {name: value for name, value in whole.items() if value}

    def notify(self, event: dict[str, Any]) -> None:
        """Not waited for."""
        self.told.append(event)
        self.pool.submit(self.insist, event)

    def insist(self, event: dict[str, Any]) -> None:
        if (status := self.call(event)) != 200:
            self.lost.append((status, event))

    def call(self, event: dict[str, Any]) -> int:
        """hashicorp/go-retryablehttp: again after no answer and after 5xx."""
        body, status = json.dumps(event).encode(), 0
        for _ in range(RETRY_MAX):
            status = self.post(body)
            if 0 < status < 500:
                return status
            time.sleep(RETRY_WAIT)
        return status

    def post(self, body: bytes) -> int:
        """0 for no answer."""
        connection = http.client.HTTPConnection(self.hook.hostname, self.hook.port, timeout=20)
        headers = {"Content-Type": "application/json", "X-API-Key": self.key}
        try:
            connection.request("POST", self.hook.path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def settle(self) -> None:
        """Until every hook is answered, or given up."""
        self.pool.shutdown(wait=True)


def at_once(*works: Any) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    return threads
