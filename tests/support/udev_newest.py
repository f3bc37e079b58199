"""Another udev than this machine's as oracle, in a root of its own.

``VFIO_DOCTOR_UDEV_ROOT`` names the root, as made by
``mmdebstrap --variant=minbase --include=udev sid FOLDER``.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.udev_made import AS_IN_AN_EVENT, LOOP, Told, told

VARIABLE = "VFIO_DOCTOR_UDEV_ROOT"
# In a mount namespace of its own: what the rules do stays in there.
SCRIPT = f"""
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc none "$1/proc"
mount --rbind /sys "$1/sys"
for folder in dev run tmp usr/lib/udev/rules.d; do
    mount -t tmpfs none "$1/$folder"
done
mkdir -p "$1/run/udev" "$1/etc/udev/rules.d"
mount -t tmpfs none "$1/etc/udev/rules.d"
cp -a /dev/null /dev/zero /dev/urandom "$1/dev/"
echo '{AS_IN_AN_EVENT}' >"$1/etc/udev/rules.d/05-event.rules"
exec "$3" -I "$4" "$2" "$1" chroot "$1"
"""


def root() -> str:
    """The root with another udev, "" if this machine has none."""
    named = os.environ.get(VARIABLE, "")
    return named if Path(named, "usr/bin/udevadm").exists() and named else ""


def version() -> str:
    """What that udev says of itself."""
    argv = ["chroot", root(), "udevadm", "--version"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout


def accounts(name: str) -> dict[str, int]:
    """Names and numbers of the root's ``passwd`` or ``group``."""
    lines = Path(root(), "etc", name).read_text().splitlines()
    parts = (line.split(":") for line in lines)
    return {part[0]: int(part[2]) for part in parts}


def tell(files: dict[int, str], where: Path) -> dict[int, Told]:
    """Have that udev apply each file alone; return what it did."""
    for folder in ("made", "told"):
        (where / folder).mkdir()
    for seed, text in files.items():
        (where / "made" / str(seed)).write_text(text)
    argv = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", root(), str(where), *LOOP]
    environment = {
        "SYSTEMD_LOG_LEVEL": "info",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    subprocess.run(argv, check=True, env=environment)  # noqa: S603
    return {seed: told((where / "told" / str(seed)).read_text()) for seed in files}
