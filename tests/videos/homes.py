"""A data root with members' homes, as SFTPGo and this machine see it."""

from pathlib import Path
from typing import Any

from accounts.models import User
from provisioning.services.homes import give_account
from tests.provisioning.sftpgo_settings import configured
from tests.videos import sftpgo


def seen(settings: Any, root: Path) -> Path:
    """SFTPGo's /data is ``root`` here."""
    settings.SFTPGO = configured()._replace(data_root=str(root), home_root="/data")
    return root


def member(root: Path, name: str = "alice", quota: int | None = 100) -> User:
    made = sftpgo.member(name, quota)
    assert give_account(made).home_dir == f"/data/{name}"
    (root / name).mkdir()
    return made


def write(root: Path, path: str, content: bytes) -> Path:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place
