"""A root of another distribution in which a real tool makes images."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# In a mount namespace of its own: nothing of the root's own files is written.
SCRIPT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc none "$1/proc"
for folder in dev run tmp var/tmp; do
    mount -t tmpfs none "$1/$folder"
done
cp -a /dev/null /dev/zero /dev/urandom "$1/dev/"
ln -s /proc/self/fd "$1/dev/fd"
ln -s /proc/self/fd/0 "$1/dev/stdin"
for cover in $COVERS; do
    [ ! -d "$2/$cover" ] || mkdir -p "$1/$cover"
    mount --bind "$2/$cover" "$1/$cover"
done
shift 2
chroot "$ROOT" "$@"
"""


def named_by(variable: str) -> Path:
    """Return the root that a variable names, a folder that is not there if none."""
    return Path(os.environ.get(variable, "") or "/nonexistent")


def run_in(root: Path, files: Path, covers: tuple[str, ...], *argv: str) -> str:
    """Run a program in the root, where our folders and files cover its own."""
    call = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(root), str(files)]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "ROOT": str(root),
        "COVERS": " ".join(covers),
    }
    done = subprocess.run(
        [*call, *argv], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
