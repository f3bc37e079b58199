"""Set a VM of libvirt's real driver for QEMU up, undo that, and tear it down.

``python vm_set_up_driver.py LIBRARY LIBVIRT ROOT STORY``; prints what came of it.
The driver runs in this process: its folders are below LIBVIRT.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE.parent), str(HERE), sys.argv[1]]

from cli.test_setup_vm import VM, set_up, with_vm  # noqa: E402
from support.played_machine import PlayedHost  # noqa: E402
from support.played_place import place  # noqa: E402
from vfio_doctor.app.chosen import Chosen  # noqa: E402
from vfio_doctor.commands.teardown import Wanted, tear_down  # noqa: E402
from vfio_doctor.commands.undo import take_back  # noqa: E402
from vfio_doctor.repair import domain_step  # noqa: E402

Story = Callable[[PlayedHost, Any], dict[str, object]]
DOMAIN = f"""<domain type='qemu'>
  <name>{VM}</name>
  <uuid>7fbcb254-ef59-49e1-b71b-4af69ead6e3d</uuid>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
</domain>
"""


def text() -> str:
    return domain_step.defined(VM).text.decode()


def down(host: PlayedHost, deaf: bool = False) -> dict[str, object]:
    """Tear down; ``deaf``: as if libvirt's library were not here."""
    said, library = io.StringIO(), sys.modules["libvirt"]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        if deaf:
            sys.modules["libvirt"] = None  # type: ignore[assignment]
        status = tear_down(Wanted(passthrough=False, yes=True), Chosen(), place(host))
        sys.modules["libvirt"] = library
    words = " ".join(said.getvalue().split())
    return {"status": status, "said": words, "text": text()}


def there_and_back(host: PlayedHost, kept: Any) -> dict[str, object]:
    told: dict[str, object] = {"before": text(), "status": str(set_up(host))}
    told["set up"] = text()
    take_back("", True, place(host))
    told["undone"] = text()
    set_up(host)
    told["torn down"] = down(host)
    return told


def changed_since(host: PlayedHost, kept: Any) -> dict[str, object]:
    told: dict[str, object] = {}
    set_up(host)
    ours = text()
    kept.defineXML(ours.replace("65536", "131072"))
    told["changed"], told["unheard"] = down(host), down(host, deaf=True)
    kept.defineXML(ours)
    told["later"] = down(host)
    told["over"] = down(host)
    return told


def by_hand(host: PlayedHost, kept: Any) -> dict[str, object]:
    before = text()
    set_up(host)
    kept.defineXML(before.replace("<uuid>", "<title>Mine</title><uuid>", 1))
    return down(host)


STORIES: dict[str, Story] = {
    story.__name__: story for story in (there_and_back, changed_since, by_hand)
}


def main() -> None:
    """Tell one story: libvirt takes about twenty connections of this kind, no more."""
    library = importlib.import_module("libvirt")
    library.virEventRegisterDefaultImpl()
    domain_step.URI = f"qemu:///embed?root={sys.argv[2]}"
    # The driver ends with its last connection.
    kept = library.open(domain_step.URI)
    kept.defineXML(DOMAIN)
    host = with_vm(Path(sys.argv[3]))
    print(json.dumps(STORIES[sys.argv[4]](host, kept)))


if __name__ == "__main__":
    main()
