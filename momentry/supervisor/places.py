"""Where this checkout lies, and the interpreter beside it."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
VENV: Final = ROOT / ".venv"
RUNTIME: Final = ROOT / "requirements.txt"
DEVELOPMENT: Final = ROOT / "requirements-dev.txt"


def venv_python(venv: Path) -> Path:
    return venv / "bin" / "python"
