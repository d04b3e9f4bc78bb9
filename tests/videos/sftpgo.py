"""What SFTPGo sends to the file hook, as its struct is written, and rows to look at afterwards."""

import itertools
import json
import time
from typing import Any

from accounts.models import User
from apikeys.models import ApiKey
from tests import make
from tests.apikeys.calls import client
from videos.models import Video

HOOK = "/api/v1/hooks/sftpgo"
moments = itertools.count(time.time_ns() - 3600 * 10**9, 10**6)


def event(action: str, path: str, username: str = "alice", **given: Any) -> dict[str, Any]:
    """Go's omitempty: what is zero or empty is absent."""
    home = f"/data/{username}"
    whole = {
        "action": action, "username": username, "path": home + path, "virtual_path": path,
        "fs_provider": 0, "status": 1, "protocol": "SFTP", "ip": "192.0.2.7",
        "session_id": "SFTP_x_1", "timestamp": next(moments), "elapsed": 35, **given,
    }  # fmt: skip
    if target := given.get("virtual_target_path"):
        whole.setdefault("target_path", home + target)
    return {name: value for name, value in whole.items() if value or name == "fs_provider"}


def renamed(path: str, target: str, **given: Any) -> dict[str, Any]:
    return event("rename", path, virtual_target_path=target, **given)


def post(api: Any, body: dict[str, Any] | bytes) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.post(HOOK, data, content_type="application/json")


def hook_client() -> Any:
    return client(hook_secret())


def hook_secret() -> str:
    made = make.service_key("metrics")
    ApiKey.objects.filter(pk=made.key.pk).update(scopes=["hooks:sftpgo"])
    return made.secret


def member(name: str = "alice", quota: int | None = 100) -> User:
    made = make.member(name)
    User.objects.filter(pk=made.pk).update(sftpgo_username=name, quota_size=quota)
    made.refresh_from_db()
    return made


def files(owner: User | None) -> dict[str, int]:
    """Live videos."""
    return dict(Video.objects.filter(owner=owner, deleted_at=None).values_list("path", "size"))


def used(owner: User) -> int:
    return User.objects.values_list("quota_used", flat=True).get(pk=owner.pk)
