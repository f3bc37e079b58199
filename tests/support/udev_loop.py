"""Have udev apply one rule file after another: started by those that made its mounts.

udev_loop.py FOLDER ROOT COMMAND...: each file of FOLDER/made, told in FOLDER/told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def tell(folder: Path, root: Path, command: list[str]) -> None:
    """Apply each file alone, to a node and a database as they were."""
    argv = [*command, "udevadm", "test", "--action=add", "/sys/class/mem/null"]
    node = root / "dev/null"
    for file in sorted((folder / "made").iterdir()):
        shutil.copyfile(file, root / "etc/udev/rules.d/10-made.rules")
        shutil.rmtree(root / "run/udev/data", ignore_errors=True)
        os.chown(node, 0, 0)
        node.chmod(0o666)
        with open(folder / "told" / file.name, "wb") as told:
            subprocess.run(argv, stdout=told, stderr=told, check=False)


if __name__ == "__main__":
    tell(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
