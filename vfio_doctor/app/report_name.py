"""The name of a bug report's file: which host, and when, without naming anybody."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from itertools import count

from vfio_doctor.app.clock import utc

MACHINE_ID = "/etc/machine-id"
# Enough to tell the hosts of one person apart, too little to recognize one by.
DIGITS = 4


def usual_name(capture: str | None) -> str:
    """Return a name that is free: vfio-doctor-<host>-<date>-<time>.tar.gz."""
    host = "capture" if capture is not None else pseudonym(MACHINE_ID)
    stem = f"vfio-doctor-{host}-{time.strftime('%Y%m%d-%H%M%S', utc())}"
    names = (f"{stem}{f'-{at}' if at > 1 else ''}.tar.gz" for at in count(1))
    return next(name for name in names if not os.path.lexists(name))


def pseudonym(path: str) -> str:
    """Return what stands for this host: equal in each of its files.

    The machine's id is secret and random, so that nobody finds the host by trying
    names.
    """
    try:
        with open(path, "rb") as file:
            held = file.read(64).strip()
    except OSError:
        held = b""
    if not held:
        return "host"
    return f"host-{sha256(b'vfio-doctor bug report' + held).hexdigest()[:DIGITS]}"
