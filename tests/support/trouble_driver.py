"""A command on a played machine in trouble; prints what came of it as JSON.

``python trouble_driver.py ROOT HOST BEFORE COMMAND TROUBLE``: names of functions in
``cli.test_kill_matrix``, and a shell's words in which ``ROOT`` stands for the folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE)]

from cli import test_kill_matrix as acts  # noqa: E402
from support import kill_matrix as matrix  # noqa: E402


def main() -> None:
    root, make, before, name, trouble = sys.argv[1:6]
    host = getattr(acts, make)(Path(root))
    if before:
        matrix.heard(getattr(acts, before), host)
    subprocess.run(["sh", "-ec", trouble.replace("ROOT", root)], check=True)
    host.moved()
    old = acts.state(host)
    status, said = matrix.heard(getattr(acts, name), host)
    same = acts.state(host) == old
    words = " ".join(said.split())
    print(json.dumps({"status": status, "same": same, "said": words}))


if __name__ == "__main__":
    main()
