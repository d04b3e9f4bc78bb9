#!/usr/bin/env python3
"""The entry of every command; any Python 3 can read this file, so an old one gets a sentence."""

import sys


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python gets a sentence, not a traceback
        sys.stderr.write(
            "momentry needs Python 3.11 or newer and this is Python "
            + ".".join(str(number) for number in sys.version_info[:3])
            + "; install a newer one and call it by name, as in: python3.11 manage.py up\n"
        )
        return 1
    from momentry.supervisor.entry import run  # noqa: PLC0415  after the version was checked

    return run(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
