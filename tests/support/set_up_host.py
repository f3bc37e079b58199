"""A host whose card a set-up has bound, with its journal: what `verify` looks at.

``python set_up_host.py FOLDER`` writes both there, for `verify` to be measured.
"""

from __future__ import annotations

import sys
from pathlib import Path


def write(folder: Path) -> None:
    """Write a capture of the host after its reboot, and the journal."""
    from support import engine_trees as trees
    from support import played_images
    from support.played_place import place
    from support.unbound_card import CARD, unbound
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.setup_passthrough import passthrough
    from vfio_doctor.host.capture_io import save

    host = played_images.host_in(folder / "root", unbound(ids=""))
    asked = Chosen(fix=True, yes=True, devices=(CARD,))
    assert passthrough(asked, place(host)) == 0
    trees.put(host.root, trees.BOOT_ID, "second-boot\n")
    host.moved()
    save(host.now.capture, folder / "host.host")


def verify(folder: str) -> int:
    """Run the command as installed, but for where the host and its journal are."""
    from vfio_doctor.__main__ import _hurry

    _hurry()
    from vfio_doctor.app.open_host import open_host
    from vfio_doctor.app.place import Place
    from vfio_doctor.commands.verify import look
    from vfio_doctor.repair.runner import LiveRunner
    from vfio_doctor.repair.syscalls import Filesystem
    from vfio_doctor.repair.target import Machine

    host, files = open_host(f"{folder}/host.host"), Filesystem(f"{folder}/root")
    place = Place(
        host=lambda: host,
        machine=lambda seen, tool: Machine(seen, files, LiveRunner(), tool),
        is_root=lambda: True,
    )
    return look(place, quiet=False)


if __name__ == "__main__":
    HERE = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(HERE.parent), str(HERE)]
    write(Path(sys.argv[1]))
