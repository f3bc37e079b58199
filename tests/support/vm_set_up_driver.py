"""Set a VM of libvirt's real driver for QEMU up, undo that, and tear it down.

``python vm_set_up_driver.py LIBRARY LIBVIRT ROOT``; prints the definitions as JSON.
The driver runs in this process: its folders are below LIBVIRT.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE), sys.argv[1]]

from cli.test_setup_vm import VM, set_up, with_vm  # noqa: E402
from support.played_place import place  # noqa: E402
from vfio_doctor.app.chosen import Chosen  # noqa: E402
from vfio_doctor.commands.teardown import Wanted, tear_down  # noqa: E402
from vfio_doctor.commands.undo import take_back  # noqa: E402
from vfio_doctor.repair import domain_step  # noqa: E402

DOMAIN = f"""<domain type='qemu'>
  <name>{VM}</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
</domain>
"""


def text() -> str:
    return domain_step.defined(VM).text.decode()


def main() -> None:
    library = importlib.import_module("libvirt")
    library.virEventRegisterDefaultImpl()
    domain_step.URI = f"qemu:///embed?root={sys.argv[2]}"
    # The driver ends with its last connection.
    kept = library.open(domain_step.URI)
    kept.defineXML(DOMAIN)
    host = with_vm(Path(sys.argv[3]))
    told = {"before": text(), "status": str(set_up(host))}
    told["set up"] = text()
    take_back("", True, place(host))
    told["undone"] = text()
    set_up(host)
    tear_down(Wanted(passthrough=False, yes=True), Chosen(), place(host))
    told["torn down"] = text()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
