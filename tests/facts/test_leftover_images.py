"""What a set-up of ours wrote for dracut's images is taken back whole."""

from __future__ import annotations

from support import hosts
from vfio_doctor.boot.images.dracut import CONFIG, Dracut
from vfio_doctor.facts.leftovers.images import of_passthrough
from vfio_doctor.facts.leftovers.leftover import Whose
from vfio_doctor.facts.pci.binding import BINDING_FILE, EARLY_MODULES
from vfio_doctor.facts.pci.claims import Said
from vfio_doctor.model import DeleteFile, FileStep, RebuildImages


def test_the_drop_in_of_dracut_goes_as_a_whole() -> None:
    change = RebuildImages(EARLY_MODULES, (BINDING_FILE,))
    before, _ = Dracut().steps(hosts.build({"/boot/initramfs-6.1.img": ""}), change)
    (text,) = (s.after for s in before if isinstance(s, FileStep) and s.after)
    assert len(text.splitlines()) == 2
    (left,) = of_passthrough(Said(hosts.build({CONFIG: text})), ours=True)
    assert left.whose is Whose.OURS
    assert [type(change) for change in left.changes] == [DeleteFile]
