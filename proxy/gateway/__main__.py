"""`manage.py gateway` and ``python -m proxy.gateway``: machine code first, if there is any."""

import sys
from importlib import import_module

from proxy.gateway import compiled


def main(argv: list[str]) -> int:
    compiled.prefer()
    return int(import_module("proxy.gateway.server").main(argv))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
