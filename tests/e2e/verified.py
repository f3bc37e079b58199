"""`vfio-doctor verify` as machines run it, and what it costs."""

from __future__ import annotations

import shlex

from e2e import images
from e2e.vm import PROGRAM, Machine

GREENBOOT = images.PROJECT / "packaging/ublue/greenboot-vfio-doctor.sh"
CHECK = "/etc/greenboot/check/wanted.d/50-vfio-doctor.sh"
# Greenboot's own service: no home, no terminal, no language.
AS_A_SERVICE = "systemd-run --wait --collect --quiet --pipe"
# 0.2 s on a machine whose Python starts in 20 ms; an emulated one has its own time.
STARTS_AT_MOST = 10.0
MEASURE = f"""
import resource, subprocess, sys
def spent(*argv):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
def least(*argv):
    return min(spent(*argv) for _ in range(5))
print(least({PROGRAM!r}, "verify", "--quiet") / least(sys.executable, "-c", "pass"))
"""


def greenboot(guest: Machine) -> int:
    """Install the check that image-based hosts run after an update; return its end."""
    guest.put(CHECK, GREENBOOT.read_bytes(), 0o755)
    # /usr may be read-only, except for this.
    guest.shell(
        f"mkdir -p $(readlink -m /usr/local/bin); ln -sf {PROGRAM} /usr/local/bin"
    )
    return guest.run("sh", "-c", f"{AS_A_SERVICE} {CHECK}").status


def starts(guest: Machine) -> float:
    """Return how many starts of an empty Python it costs."""
    found = guest.shell(f"python3 -c {shlex.quote(MEASURE)}", limit=600)
    return float(found)


def is_well(guest: Machine) -> None:
    """All that was set up is so, as root and as greenboot sees it, and soon."""
    told = guest.doctor("verify")
    assert told.status == 0, told
    assert greenboot(guest) == 0
    cost = starts(guest)
    print(f"verify: {cost:.1f} starts of Python")
    assert cost < STARTS_AT_MOST
