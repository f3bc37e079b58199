"""Diagnose and repair VFIO passthrough and Looking Glass (KVMFR) hosts."""

import os
import sys

__version__ = "0.1.0"


def leave_no_bytecode(installed: str, cached: str | None) -> None:
    """Have root write no bytecode into an installation that is a person's.

    The person could not upgrade or remove it any more. What Python has written of
    this very file is taken away again, with the folder that was made for it.
    """
    try:
        if os.geteuid() != 0 or os.stat(os.path.dirname(installed)).st_uid == 0:
            return
        sys.dont_write_bytecode = True
        folder = os.path.dirname(cached or "")
        if cached and os.lstat(cached).st_uid == os.lstat(folder).st_uid == 0:
            os.unlink(cached)
            os.rmdir(folder)
    except OSError:
        # Run from an archive, or nothing was written: then there is nothing to do.
        pass


leave_no_bytecode(__file__, __spec__.cached if __spec__ else None)
