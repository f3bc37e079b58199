"""Start vfio-doctor from this checkout: python3 -I scripts/start.py [ARGUMENTS].

With -I nothing is imported from the current folder, which may be anybody's, nor from
what the environment names. scripts/run starts this.
"""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))


def main() -> None:
    """Put the checkout on the path, name the program as it was called, start it."""
    sys.path.insert(0, os.path.dirname(HERE))
    sys.argv[0] = os.path.join(HERE, "run")
    from vfio_doctor.__main__ import main as start

    start()


if __name__ == "__main__":
    main()
