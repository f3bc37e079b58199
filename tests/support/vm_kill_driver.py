"""A set-up with a VM, its tear-down or its undo, stopped at each place in some.

``python vm_kill_driver.py LIBRARY FOLDER COMMAND WAY SIGNAL STEP``; prints a line of
JSON a case. libvirt's real driver for QEMU runs in a process of its own each time, as
after a start of the machine: its folders are kept.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE), sys.argv[1]]

from cli.test_setup_vm import VM, down, set_up, with_vm  # noqa: E402
from support import engine_faults as faults  # noqa: E402
from support import kill_matrix as matrix  # noqa: E402
from support.played_machine import PlayedHost, server  # noqa: E402
from support.vm_set_up_driver import DOMAIN  # noqa: E402
from vfio_doctor.app.place import Place  # noqa: E402
from vfio_doctor.commands.undo import take_back  # noqa: E402
from vfio_doctor.repair import domain_step  # noqa: E402

FOLDER = Path(sys.argv[2])
ACTS: dict[str, Callable[[PlayedHost, Place], int]] = {
    "set up": lambda host, where: set_up(host, where=where),
    "tear down": lambda host, where: down(host, where),
    "undo": lambda host, where: take_back("", True, where),
}


def connected() -> object:
    """Start the driver; it ends with this connection."""
    library = importlib.import_module("libvirt")
    library.virEventRegisterDefaultImpl()
    domain_step.URI = f"qemu:///embed?root={FOLDER / 'lv'}"
    return library.open(domain_step.URI)


def apart(act: Callable[[], object]) -> Any:
    """Do it in a process of its own, which has a driver; return what it gave."""
    answer = FOLDER / "answer"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        try:
            server.cache_clear()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            kept = connected()
            answer.write_text(json.dumps(act()))
            del kept
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return json.loads(answer.read_text()) if answer.exists() else None


def text() -> str:
    return domain_step.defined(VM).text.decode()


def fresh(before: str) -> PlayedHost:
    """Return a new host whose VM is as it was, or set up."""

    def made() -> str:
        library = importlib.import_module("libvirt")
        library.open(domain_step.URI).defineXML(DOMAIN)
        if before:
            heard(before, host)
        return text()

    shutil.rmtree(FOLDER / "root", ignore_errors=True)
    host = with_vm(FOLDER / "root")
    apart(made)
    host.moved()
    return host


def heard(name: str, host: PlayedHost) -> tuple[int, str]:
    return matrix.heard(lambda where: ACTS[name](host, where), host)


def stopped(name: str, host: PlayedHost, stop: matrix.Stop) -> int:
    where = matrix.stopped_place(host, stop)
    return matrix.heard(lambda _: ACTS[name](host, where), host)[0]


def main() -> None:
    name, way, number, step = sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6]
    before = "" if name == "set up" else "set up"
    host, stop = fresh(before), matrix.Stop()
    old = apart(text)

    def whole() -> list[object]:
        stopped(name, host, stop)
        return [text(), stop.names]

    new, names = apart(whole)
    print(json.dumps({"old": old, "new": new, "places": len(names)}))
    for at in range(1, len(names) + 1, int(step)):
        host = fresh(before)
        apart(lambda: stopped(name, host, matrix.Stop(at, number)))  # noqa: B023
        host.moved()
        begun = faults.open_run(host.root) is not None
        now = apart(text)
        ended = apart(lambda: heard("undo" if way == "undo" else name, host))  # noqa: B023
        host.moved()
        case = {"at": names[at - 1], "open": begun, "now": now, "ended": ended}
        case |= {"then": apart(text), "left": faults.open_run(host.root) is not None}
        print(json.dumps(case), flush=True)


if __name__ == "__main__":
    main()
