"""The real dracut makes an image of what a plan writes, and it holds what it must.

``VFIO_DOCTOR_DRACUT_ROOT`` names a root with dracut and a kernel, as made by
``mmdebstrap --variant=minbase --include=dracut,kmod,linux-image-amd64 trixie FOLDER``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support import hosts
from support.image_root import named_by, run_in
from vfio_doctor.boot.images.dracut import WRAPPER, Dracut
from vfio_doctor.facts.pci.binding import BINDING_FILE, EARLY_MODULES, INSTALL
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing
from vfio_doctor.model import CommandStep, FileStep, RebuildImages

VARIABLE = "VFIO_DOCTOR_DRACUT_ROOT"
ROOT = named_by(VARIABLE)
CHANGE = RebuildImages(EARLY_MODULES, (BINDING_FILE,))
# Few of dracut's modules, and no compression: in seconds what else takes minutes.
QUICK = 'dracutmodules=" base kernel-modules "\ncompress="cat"\nhostonly="{}"\n'
COVERS = ("boot", "etc/dracut.conf.d", "etc/modprobe.d")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.runs("unshare"),
    pytest.mark.skipif(
        not (ROOT / "usr/bin/dracut").exists(),
        reason=f"needs {VARIABLE}, which names no root with dracut",
    ),
]


def inside(covers: Path, *argv: str) -> str:
    """Run a program in the root, where our files cover its own."""
    return run_in(ROOT, covers, COVERS, *argv)


def seen(covers: Path) -> CapturedHost:
    """What our program sees of the root: its kernel, its images and the settings."""
    files: dict[str, str | bytes | Missing] = {
        f"/{path.relative_to(covers)}": path.read_bytes()[:4096]
        for path in covers.rglob("*")
        if path.is_file()
    }
    wrapped = (ROOT / WRAPPER.lstrip("/")).exists()
    return hosts.build(files | ({WRAPPER: ""} if wrapped else {}))


@pytest.mark.parametrize("hostonly", ["yes", "no"])
def test_the_image_loads_vfio_pci_first_and_holds_the_file(
    tmp_path: Path, hostonly: str
) -> None:
    (kernel,) = (path.name for path in (ROOT / "lib/modules").iterdir())
    for folder in ("boot", "etc/dracut.conf.d", "etc/modprobe.d"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / f"boot/vmlinuz-{kernel}").touch()
    (tmp_path / f"boot/initrd.img-{kernel}").touch()
    (tmp_path / "etc/dracut.conf.d/00-quick.conf").write_text(QUICK.format(hostonly))
    (tmp_path / BINDING_FILE.lstrip("/")).write_text(f"{INSTALL}\n")

    before, after = Dracut().steps(seen(tmp_path), CHANGE)
    for step in before:
        if isinstance(step, FileStep):
            assert step.after is not None
            (tmp_path / step.path.lstrip("/")).write_bytes(step.after)
    build, *_ = (step for step in after if isinstance(step, CommandStep))
    inside(tmp_path, *build.argv)

    images = Dracut().images(seen(tmp_path))
    assert images == (f"/boot/initrd.img-{kernel}",)
    (read,) = (s for s in after if isinstance(s, CommandStep) and s.shows)
    assert read.argv == ("lsinitrd", *images)
    listed = inside(tmp_path, *read.argv)
    assert [text for text in read.shows if text not in listed] == []

    early = inside(
        tmp_path, "lsinitrd", "-f", "etc/cmdline.d/20-force_drivers.conf", images[0]
    )
    assert early.split()[0] == "rd.driver.pre=vfio_pci"
    held = inside(tmp_path, "lsinitrd", "-f", BINDING_FILE.lstrip("/"), images[0])
    assert held.strip() == INSTALL
