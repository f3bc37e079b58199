"""Siblings of the cases: what an initramfs holds, by its own list of files."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.debian import AMD, KERNEL, PLAIN
from support.fixture_hosts.recipes.old_image import ADDED, IMAGE, dated
from support.machines import whole
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult, Missing, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, RebuildImages, Status

REGISTRY = load()
OLD = "module-options-not-in-image"
CONF = "/etc/modprobe.d/gpu.conf"
ARGV = ("lsinitramfs", IMAGE)
TREE = f"usr/lib/modules/{KERNEL}/kernel/drivers"
# As lsinitramfs lists it, and as lsinitrd does.
PLAIN_LIST = f"conf/modules\n{TREE}/gpu/drm/amdgpu/amdgpu.ko.zst\nusr/bin/sh\n"
LONG_LIST = (
    f"-rw-r--r--   1 root  root  9 Jan  1 2024 {TREE}/gpu/drm/amdgpu/amdgpu.ko\n"
)


def listing(text: str, argv: tuple[str, str] = ARGV) -> Parts:
    return Parts(commands={argv: CommandResult(argv, 0, text, "")})


def result(check: str, *parts: Parts) -> CheckResult:
    """Return how a check ends, which must be the same after redaction."""
    host = whole(*parts)
    (told,) = diagnose(Facts(host), REGISTRY, select=[check])
    shared = CapturedHost(redact(host.capture).capture)
    (again,) = diagnose(Facts(shared), REGISTRY, select=[check])
    ids = [d.finding.message.id for d in told.diagnoses]
    assert (told.status, ids) == (
        again.status,
        [d.finding.message.id for d in again.diagnoses],
    )
    return told


def differs(module: str, parameter: str) -> tuple[Parts, ...]:
    """Return a host whose module runs without an option that came after the image."""
    return (
        *PLAIN.parts,
        file("/usr/sbin/mkinitramfs", ""),
        file("/usr/sbin/update-initramfs", ""),
        file(CONF, f"options {module} {parameter}=1\n"),
        dated(CONF, ADDED),
        dated(IMAGE, ADDED - 60),
        file(f"/sys/module/{module}/parameters/{parameter}", "0\n"),
    )


AMDGPU = differs("amdgpu", "runpm")


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((listing(PLAIN_LIST),), Status.FAIL),
        ((listing(LONG_LIST),), Status.FAIL),
        ((listing(PLAIN_LIST.replace("amdgpu", "nvme")),), Status.PASS),
        ((listing(PLAIN_LIST), dated(IMAGE, ADDED + 60)), Status.PASS),
        ((file("/etc/initramfs-tools/modules", "amdgpu\n"),), Status.FAIL),
        ((), Status.PASS),
        (
            (Parts(commands={ARGV: Missing("lsinitramfs", Why.DENIED)}),),
            Status.UNKNOWN,
        ),
        ((Parts(commands={ARGV: CommandResult(ARGV, 1, "", "no")}),), Status.PASS),
    ],
    ids=["in it", "lsinitrd", "not in it", "new", "named", "none", "denied", "failed"],
)
def test_options_of_a_driver_that_an_old_image_holds(
    parts: tuple[Parts, ...], status: Status
) -> None:
    found = result(OLD, *AMDGPU, *parts)
    assert found.status is status
    for one in found.diagnoses:
        assert one.fix
        assert one.fix.changes == (RebuildImages((), (CONF,)),)


@pytest.mark.parametrize("hooks", ["base udev kms modconf", "base udev modconf"])
def test_mkinitcpio_s_hook_brings_graphics_drivers(hooks: str) -> None:
    arch = (
        *PLAIN.parts,
        file("/usr/bin/mkinitcpio", ""),
        file("/etc/mkinitcpio.conf", f"MODULES=()\nHOOKS=({hooks})\n"),
        file(CONF, "options i915 enable_guc=3\n"),
        dated(CONF, ADDED),
        file("/sys/module/i915/parameters/enable_guc", "0\n"),
    )
    said = result(OLD, *arch).status
    assert said is (Status.FAIL if "kms" in hooks else Status.PASS)


def test_other_modules_are_not_looked_for_in_the_image() -> None:
    other = differs("iwlwifi", "power_save")
    text = f"{TREE}/net/wireless/intel/iwlwifi/iwlwifi.ko\n"
    assert result(OLD, *other, listing(text)).status is Status.PASS


VFIO = "/etc/modprobe.d/vfio.conf"
# A card that nouveau has, and that modprobe.d gives to vfio-pci.
BOUND = (
    *AMD.parts,
    file("/usr/sbin/mkinitramfs", ""),
    file("/sys/bus/pci/devices/0000:08:00.0/uevent",
         "DRIVER=nouveau\nPCI_CLASS=30000\nPCI_ID=10DE:2482\n"),
    file(VFIO, "options vfio-pci ids=10de:2482\n"),
)  # fmt: skip
FORCE = "/etc/dracut.conf.d/v.conf"
IMAGE_AMD = f"/boot/initrd.img-{KERNEL}"


def advice(*parts: Parts) -> str:
    found = result("vfio-not-bound", *BOUND, *parts)
    return " ".join(str(d.finding.advice) for d in found.diagnoses)


def test_an_image_that_lacks_vfio_pci_or_its_ids_is_told() -> None:
    dates = (dated(VFIO, ADDED), dated(IMAGE_AMD, ADDED + 60))
    gpu = f"{TREE}/gpu/drm/nouveau/nouveau.ko\n"
    vfio = f"{TREE}/vfio/pci/vfio-pci.ko\n"
    conf = "etc/modprobe.d/vfio.conf\n"
    assert "no vfio-pci, so the driver comes first" in advice(*dates, listing(gpu))
    assert f"does not hold {VFIO}" in advice(*dates, listing(gpu + vfio))
    whole_ = advice(*dates, listing(gpu + vfio + conf))
    assert "does not hold" not in whole_
    assert "is not known" not in whole_


def test_what_nothing_shows_of_the_image_is_called_unknown() -> None:
    assert f"initramfs holds {VFIO} is not known" in advice()
    old = advice(dated(VFIO, ADDED), dated(IMAGE_AMD, ADDED - 60))
    assert "was made before" in old
    assert "is not known" not in old


def test_the_commands_only_take_an_image() -> None:
    from vfio_doctor.host.commands import time_limit

    assert time_limit(("lsinitrd", "/boot/initramfs-6.12.5-200.fc41.x86_64.img"))
    for path in ("/etc/shadow", "/boot/../etc/shadow", "-f", "/boot/initrd.img-/x"):
        assert time_limit(("lsinitramfs", path)) is None


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            (
                file("/usr/bin/mkinitcpio", ""),
                file("/etc/mkinitcpio.conf", "MODULES=(vfio_pci)\nHOOKS=(base kms)\n"),
            ),
            "no modconf among its HOOKS",
        ),
        (
            (
                file("/usr/bin/mkinitcpio", ""),
                file("/etc/mkinitcpio.conf", "MODULES=(vfio_pci)\nHOOKS=(modconf)\n"),
            ),
            "softdep nouveau pre: vfio-pci",
        ),
        (
            (
                file("/usr/bin/dracut", ""),
                file(FORCE, 'force_drivers+=" nouveau vfio_pci "'),
            ),
            "has nouveau loaded before vfio_pci",
        ),
        (
            (
                file("/usr/bin/dracut", ""),
                file(FORCE, 'force_drivers+=" vfio_pci nouveau "'),
            ),
            "softdep nouveau pre: vfio-pci",
        ),
    ],
    ids=["no modconf", "modconf", "dracut's order", "dracut's right order"],
)
def test_the_order_and_the_hooks_of_an_image(
    parts: tuple[Parts, ...], said: str
) -> None:
    bare = (*AMD.parts, *BOUND[len(AMD.parts) + 1 :])
    found = result("vfio-not-bound", *bare, *parts)
    assert said in " ".join(str(d.finding.advice) for d in found.diagnoses)
