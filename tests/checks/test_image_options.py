"""Options of modprobe.d that the initramfs has loaded a module without."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.parts import Parts, Recipe, capture, file
from support.fixture_hosts.recipes.old_image import (
    ADDED,
    HOSTS,
    IMAGE,
    LIST,
    OPTIONS,
    SYSFS,
    dated,
)
from support.rows import for_each
from vfio_doctor.boot.images.dracut import Dracut
from vfio_doctor.boot.images.initramfs_tools import InitramfsTools
from vfio_doctor.boot.images.maker import ImageMaker
from vfio_doctor.boot.images.mkinitcpio import Mkinitcpio
from vfio_doctor.diagnosis.judge import judge
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.images.options import is_same
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.model import CheckResult, CommandStep, FileStep, RebuildImages, Status

REGISTRY = load()
OLD = HOSTS[0]
NO_TIMES = (dated(IMAGE, 0), dated(OPTIONS, 0))


def ended(recipe: Recipe) -> CheckResult:
    check = REGISTRY.check("module-options-not-in-image")
    assert check is not None
    return judge(check, Facts(CapturedHost(capture(recipe))), REGISTRY)


@for_each(
    ("parts", "status"),
    [
        ((), Status.FAIL),
        (NO_TIMES, Status.FAIL),
        ((dated(IMAGE, ADDED + 60),), Status.PASS),
        ((file(SYSFS, "Y\n"),), Status.PASS),
        ((file(LIST, "vfio_pci\n"),), Status.PASS),
        ((file("/proc/cmdline", "vfio_iommu_type1.allow_unsafe_interrupts=0\n"),),
         Status.PASS),
    ],
    ids=["old", "no times", "newer image", "in force", "not in it", "argument"],
)  # fmt: skip
def test_what_is_an_old_option(parts: tuple[Parts, ...], status: Status) -> None:
    assert ended(OLD.but("x", "", *parts)).status is status


def test_the_images_are_made_anew_and_read_back() -> None:
    (diagnosis,) = ended(OLD).diagnoses
    assert diagnosis.fix is not None
    assert diagnosis.fix.changes == (RebuildImages((), (OPTIONS,)),)
    assert "update-initramfs" in str(diagnosis.finding.advice)


@pytest.mark.parametrize("path", [SYSFS, LIST])
def test_what_may_not_be_read_is_not_known(path: str) -> None:
    host = hosts.changed(
        CapturedHost(capture(OLD)), files={path: Missing(path, Why.DENIED)}
    )
    check = REGISTRY.check("module-options-not-in-image")
    assert check is not None
    assert judge(check, Facts(host), REGISTRY).status is Status.UNKNOWN


@for_each(
    ("given", "running", "same"),
    [
        ("1", "Y", True),
        (None, "Y", True),
        ("off", "Y", False),
        ("maybe", "Y", True),
        ("0x10", "16", True),
        ("010", "8", True),
        ("10", "8", False),
        ("junk", "8", True),
        ("10de:1", "(null)", False),
        (None, "3", True),
    ],
)
def test_values_are_compared_as_the_kernel_reads_them(
    given: str | None, running: str, same: bool
) -> None:
    assert is_same(given, running) is same


@for_each(
    ("maker", "files", "image"),
    [
        (InitramfsTools, {LIST: "vfio_pci\n", IMAGE: ""}, IMAGE),
        (Dracut, {"/boot/initramfs-6.1.img": ""}, "/boot/initramfs-6.1.img"),
        (
            Mkinitcpio,
            {
                "/etc/mkinitcpio.conf": "MODULES=(i915 vfio)\nHOOKS=(base modconf)\n",
                "/etc/mkinitcpio.d/linux.preset": "PRESETS=('default')\n"
                'default_image="/boot/initramfs-linux.img"\n',
            },
            "/boot/initramfs-linux.img",
        ),
    ],
    ids=["initramfs-tools", "dracut", "mkinitcpio"],
)
def test_no_module_is_moved_by_it(
    maker: type[ImageMaker], files: dict[str, str | bytes | Missing], image: str
) -> None:
    before, after = maker().steps(hosts.build(files), RebuildImages((), (OPTIONS,)))
    texts = [s.after for s in (*before, *after) if isinstance(s, FileStep)]
    # dracut puts modprobe.d into no image but one for this host alone.
    told = f'install_optional_items+=" {OPTIONS} "\n'.encode()
    assert texts == ([told] if maker is Dracut else [])
    (read,) = [s for s in after if isinstance(s, CommandStep) and image in s.argv]
    assert read.shows == (OPTIONS.lstrip("/"),)


ALONE = 'hostonly="yes"\n'


@for_each(
    ("files", "told"),
    [
        ({"/usr/lib/dracut/dracut.conf.d/01-dist.conf": ALONE}, False),
        ({"/etc/dracut.conf": ALONE}, False),
        (
            {"/etc/dracut.conf": ALONE, "/etc/dracut.conf.d/b.conf": 'hostonly="no"\n'},
            True,
        ),
        (
            {
                "/usr/lib/dracut/dracut.conf.d/a.conf": ALONE,
                "/etc/dracut.conf.d/a.conf": "hostonly=no\n",
            },
            True,
        ),
        ({"/etc/dracut.conf": f"#{ALONE}"}, True),
    ],
    ids=["Fedora", "dracut.conf", "a later drop-in", "masked", "a comment"],
)
def test_dracut_is_told_of_the_file_if_it_leaves_it_out(
    files: dict[str, str | bytes | Missing], told: bool
) -> None:
    host = hosts.build({"/boot/initramfs-6.1.img": "", **files})
    before, _ = Dracut().steps(host, RebuildImages((), (OPTIONS,)))
    assert any(isinstance(step, FileStep) for step in before) is told
