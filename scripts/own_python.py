"""Let a script run with the checkout's own Python, whatever Python started it."""

import importlib.util
import os
import sys

NEEDED = ("click", "pyudev", "tabulate")
START = 'extra=""; . "$(dirname -- "$0")/venv.sh"; exec "$python" "$0" "$@"'


def ensure() -> None:
    """Start the running script again with .venv if this Python lacks a package."""
    packages = all(importlib.util.find_spec(name) for name in NEEDED)
    if not packages or sys.version_info < (3, 11):
        again = [os.path.abspath(sys.argv[0]), *sys.argv[1:]]
        os.execv("/bin/sh", ["sh", "-c", START, *again])  # noqa: S606
