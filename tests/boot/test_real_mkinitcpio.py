"""The real mkinitcpio makes an image of what a plan writes, and it holds what it must.

``VFIO_DOCTOR_MKINITCPIO_ROOT`` names a root with mkinitcpio and one kernel's modules,
such as ``pacstrap FOLDER base linux mkinitcpio`` makes on Arch.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support import hosts
from support.image_root import named_by, run_in
from vfio_doctor.boot.images.mkinitcpio import CONFIG, OWN_DROP_IN, Mkinitcpio
from vfio_doctor.facts.pci.binding import BINDING_FILE, EARLY_MODULES, INSTALL
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import CommandStep, FileStep, RebuildImages

VARIABLE = "VFIO_DOCTOR_MKINITCPIO_ROOT"
ROOT = named_by(VARIABLE)
CHANGE = RebuildImages(EARLY_MODULES, (BINDING_FILE,))
IMAGE = "/boot/initramfs-linux.img"
PRESET = 'ALL_kver="{}"\nPRESETS=("default")\ndefault_image="{}"\n'
# Few hooks, and no compression: what is tried is in none of the others.
SETTINGS = 'MODULES=({})\nHOOKS=(base modconf)\nCOMPRESSION="cat"\n'
FOLDERS = ("boot", "etc/mkinitcpio.d", "etc/mkinitcpio.conf.d", "etc/modprobe.d")
COVERS = (*FOLDERS, CONFIG.lstrip("/"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.runs("unshare"),
    pytest.mark.skipif(
        not (ROOT / "usr/bin/mkinitcpio").exists(),
        reason=f"needs {VARIABLE}, which names no root with mkinitcpio",
    ),
]


def inside(covers: Path, *argv: str) -> str:
    """Run a program in the root, where our files cover its own."""
    return run_in(ROOT, covers, COVERS, *argv)


def seen(covers: Path) -> CapturedHost:
    """What our program sees of the root: its presets, its images and the settings."""
    found = (path for path in covers.rglob("*") if path.is_file())
    return hosts.build(
        {f"/{path.relative_to(covers)}": path.read_bytes()[:4096] for path in found}
    )


def settings(covers: Path, drop_in: bool) -> None:
    """Write what a person may have: modules in the main file, or in one behind it."""
    (kernel,) = (path.name for path in (ROOT / "lib/modules").iterdir())
    for folder in FOLDERS:
        (covers / folder).mkdir(parents=True)
    (covers / IMAGE.lstrip("/")).touch()
    preset = covers / "etc/mkinitcpio.d/linux.preset"
    preset.write_text(PRESET.format(kernel, IMAGE))
    (covers / CONFIG.lstrip("/")).write_text(SETTINGS.format("loop"))
    if drop_in:
        own = covers / "etc/mkinitcpio.conf.d/10-own.conf"
        own.write_text("MODULES=(dm-mod)\n")
    (covers / BINDING_FILE.lstrip("/")).write_text(f"{INSTALL}\n")


@pytest.mark.parametrize("drop_in", [False, True], ids=["one file", "drop-ins"])
def test_the_image_loads_vfio_pci_first_and_holds_the_file(
    tmp_path: Path, drop_in: bool
) -> None:
    settings(tmp_path, drop_in)
    before, after = Mkinitcpio().steps(seen(tmp_path), CHANGE)
    (edit,) = (step for step in before if isinstance(step, FileStep))
    assert edit.path == (OWN_DROP_IN if drop_in else CONFIG)
    assert edit.after is not None
    (tmp_path / edit.path.lstrip("/")).write_bytes(edit.after)
    build, *_ = (step for step in after if isinstance(step, CommandStep))
    inside(tmp_path, *build.argv)

    assert Mkinitcpio().images(seen(tmp_path)) == (IMAGE,)
    (read,) = (s for s in after if isinstance(s, CommandStep) and s.shows)
    assert read.argv == ("lsinitcpio", IMAGE)
    listed = inside(tmp_path, *read.argv)
    assert [text for text in read.shows if text not in listed] == []

    unpack = f"cd /tmp && lsinitcpio -x {IMAGE} && cat config {BINDING_FILE[1:]}"
    held = inside(tmp_path, "sh", "-c", unpack)
    (loaded,) = (line for line in held.splitlines() if line.startswith("MODULES="))
    own = "dm_mod" if drop_in else "loop"
    names = loaded.partition("=")[2].strip("()\"'").replace("-", "_").split()
    assert names[:4] == [*EARLY_MODULES, own]
    assert INSTALL in held
