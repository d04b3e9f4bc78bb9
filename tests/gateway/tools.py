"""Programs that load or attack a server, as people run them; .ci/run installs them."""

import shutil
import subprocess


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    assert found, f"These tests run {name}: apt-get install {package}"
    return found


def said(command: list[str], seconds: float = 60.0) -> str:
    """What it printed, after it ended well."""
    done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
