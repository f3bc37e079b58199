"""Start the program: ``python -m vfio_doctor``, and the console command."""

from __future__ import annotations

import sys

from vfio_doctor import __version__


def main() -> None:
    """Run the command line; answer ``--version`` alone without importing click."""
    if sys.argv[1:] == ["--version"]:
        print(f"vfio-doctor {__version__}")
        return
    from vfio_doctor.cli import main as run

    run()


if __name__ == "__main__":
    main()
