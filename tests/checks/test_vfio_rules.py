"""False alarms and their neighbours, of each check of a VM's devices."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, amd_desktop, cpu, intel_desktop
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import HUGE, huge_pages, vm
from support.machines import GROUPS, PCI, SYSFS, function, result, whole
from support.rows import for_each
from vfio_doctor.checks.vfio.binding import VfioNotBound
from vfio_doctor.checks.vfio.display import VfioBootCard, VfioDisplayLost
from vfio_doctor.checks.vfio.group import VfioGroupShared
from vfio_doctor.checks.vfio.ids import VfioDeviceGone, VfioIdsMatchNothing
from vfio_doctor.checks.vfio.memory import VfioHugePages
from vfio_doctor.checks.vfio.power import VfioStuckInD3
from vfio_doctor.checks.vfio.region import VfioDirectRegion
from vfio_doctor.checks.vfio.sriov import VfioPhysicalFunction
from vfio_doctor.facts.pci.wanted import NOTHING_WANTED
from vfio_doctor.host.reader import Missing, Stat
from vfio_doctor.model import CheckResult, Severity, Status

CARD, AUDIO, IGPU = "0000:01:00.0", "0000:01:00.1", "0000:00:02.0"
UNIT: dict[str, Stat | Missing] = {
    "/sys/class/iommu/dmar0": hosts.link("../../devices/virtual/iommu/dmar0")
}
BASE = Parts(folders=SYSFS, stats=UNIT).and_then(cpu(*CORE_CPU))
KERNEL = file("/proc/sys/kernel/osrelease", "6.12.5\n")


def booted(words: str) -> Parts:
    return file("/proc/cmdline", f"{words}\n")


def card(driver: str | None, group: int = 1, ids: str = "10de:1b80") -> Parts:
    return function(CARD, ids, "030000", driver, group)


def igpu(driver: str | None = "i915") -> Parts:
    return function(IGPU, "8086:4680", "030000", driver, 0)


def boot_vga(bdf: str, value: int) -> Parts:
    return file(f"{PCI}/{bdf}/boot_vga", f"{value}\n")


def judged(check: type, *parts: Parts) -> CheckResult:
    return result(whole(BASE, booted("quiet"), KERNEL, *parts), check)


def subjects(found: CheckResult) -> list[str]:
    return [d.finding.subject for d in found.diagnoses]


CHECKS = (
    VfioNotBound,
    VfioBootCard,
    VfioDisplayLost,
    VfioGroupShared,
    VfioDeviceGone,
    VfioIdsMatchNothing,
    VfioHugePages,
    VfioStuckInD3,
    VfioDirectRegion,
    VfioPhysicalFunction,
)


@for_each("check", CHECKS)
def test_nothing_is_judged_if_nothing_is_meant_for_a_vm(check: type) -> None:
    found = judged(check, igpu(), card("nvidia"))
    assert (found.status, found.reason) == (Status.NOT_APPLICABLE, NOTHING_WANTED)


@for_each(
    ("other", "shared"),
    [
        pytest.param(function("0000:02:00.0", "1:1", "010802", "nvme", 1), True),
        pytest.param(function("0000:02:00.0", "1:1", "010802", None, 1), False),
        pytest.param(function("0000:02:00.0", "1:1", "010802", "vfio-pci", 1), False),
        pytest.param(function("0000:02:00.0", "1:1", "010802", "pci-stub", 1), False),
        pytest.param(function("0000:00:01.0", "1:1", "060400", "pcieport", 1), False),
        pytest.param(function("0000:00:01.0", "1:1", "060000", "skx_uncore", 1), True),
        pytest.param(function("0000:02:00.0", "1:1", "010802", "nvme", 2), False),
        pytest.param(function(AUDIO, "10de:10f0", "040300", "snd_hda", 1), False),
    ],
    ids=[
        "driver",
        "no driver",
        "held",
        "stub",
        "bridge",
        "host bridge with a driver",
        "other group",
        "same card",
    ],
)
def test_a_group_is_judged_as_the_kernel_does(other: Parts, shared: bool) -> None:
    other.files.update(
        {
            path: text.replace("PCI_ID=1:1", "PCI_ID=0001:0001")
            for path, text in other.files.items()
            if isinstance(text, str)
        }
    )
    found = judged(VfioGroupShared, igpu(), card("vfio-pci"), other)
    assert subjects(found) == (["IOMMU group 1"] if shared else [])


def test_functions_of_a_slot_of_the_chipset_are_strangers() -> None:
    audio = function("0000:00:1f.3", "8086:7ad0", "040300", "vfio-pci", 6)
    disk = function("0000:00:1f.2", "8086:7ae2", "010601", "ahci", 6)
    found = judged(VfioGroupShared, igpu(), audio, disk)
    assert subjects(found) == ["IOMMU group 6"]
    assert "cannot be moved" in str(found.diagnoses[0].finding.advice)
    assert judged(VfioNotBound, igpu(), audio, disk).status is Status.PASS


def test_a_host_that_keeps_its_disk_is_not_told_to_give_it() -> None:
    disk = function("0000:02:00.0", "144d:a808", "010802", "nvme", 1)
    block = "../../devices/pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1/nvme0n1p2"
    mounted = Parts(
        {"/proc/mounts": "/dev/nvme0n1p2 / ext4 rw 0 0\n"},
        {"/sys/class/block/nvme0n1p2": hosts.link(block)},
    )
    found = judged(VfioGroupShared, igpu(), card("vfio-pci"), disk, mounted)
    (told,) = found.diagnoses
    assert "the host needs 0000:02:00.0" in str(told.finding.advice)
    assert "give them" not in str(told.finding.advice)
    assert "mounted at /" in str(told.finding.evidence[0].expected)


BY_IDS = booted("vfio-pci.ids=10de:1b80")


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        pytest.param((BY_IDS, card("nvidia")), Status.FAIL, id="ids"),
        pytest.param((BY_IDS, card("vfio-pci")), Status.PASS, id="bound"),
        pytest.param((BY_IDS, card("nvgrace-gpu-vfio-pci")), Status.PASS, id="variant"),
        pytest.param((vm("01:00.0"), card("nvidia")), Status.PASS, id="libvirt binds"),
    ],
)
def test_who_should_be_bound(parts: tuple[Parts, ...], status: Status) -> None:
    assert judged(VfioNotBound, igpu(), *parts).status is status


def test_what_libvirt_takes_later_is_only_a_warning() -> None:
    nic = function(CARD, "8086:1533", "020000", "igb", 1)
    ids = booted("vfio-pci.ids=8086:1533")
    found = judged(VfioNotBound, igpu(), nic, ids, vm("01:00.0"))
    assert [d.severity for d in found.diagnoses] == [Severity.WARNING]


def test_a_built_in_driver_and_a_built_in_vfio_pci_get_another_cure() -> None:
    builtin = "/lib/modules/6.12.5/modules.builtin"
    nvme = function(CARD, "144d:a808", "010802", "nvme", 1)
    option = file("/etc/modprobe.d/v.conf", "options vfio-pci ids=144d:a808\n")
    first = judged(
        VfioNotBound,
        igpu(),
        nvme,
        option,
        file(builtin, "kernel/drivers/nvme/host/nvme.ko\n"),
    )
    assert "built into the kernel and always" in str(first.diagnoses[0].finding.advice)
    second = judged(
        VfioNotBound,
        igpu(),
        nvme,
        option,
        file(builtin, "kernel/drivers/vfio/pci/vfio-pci.ko\n"),
    )
    assert "`vfio-pci.ids=144d:a808`" in str(second.diagnoses[0].finding.advice)


@pytest.mark.parametrize(
    ("parts", "severity"),
    [
        pytest.param((igpu(), card("vfio-pci")), None, id="another is left"),
        pytest.param((card("vfio-pci"),), Severity.WARNING, id="only, bound"),
        pytest.param((card("nvidia"), vm("01:00.0")), Severity.INFO, id="only, later"),
        pytest.param(
            (card("nvidia"), boot_vga(CARD, 1), BY_IDS), Severity.ERROR, id="only, soon"
        ),
        pytest.param(
            (
                card("vfio-pci"),
                function("0000:02:00.0", "10de:1b80", "030000", "nvidia", 2),
                boot_vga("0000:02:00.0", 1),
                BY_IDS,
            ),
            Severity.ERROR,
            id="twins",
        ),
    ],
)
def test_a_screen_for_the_host(
    parts: tuple[Parts, ...], severity: Severity | None
) -> None:
    found = judged(VfioDisplayLost, *parts)
    assert [d.severity for d in found.diagnoses] == ([severity] if severity else [])


def test_a_host_without_graphics_has_no_screen_to_lose() -> None:
    nic = function(CARD, "8086:1533", "020000", "vfio-pci", 1)
    for check in (VfioDisplayLost, VfioBootCard):
        assert judged(check, nic).status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [(1, 0, [CARD]), (0, 1, [])],
    ids=["the guest's", "the host's"],
)
def test_the_card_that_the_firmware_draws_on(
    first: int, second: int, found: list[str]
) -> None:
    parts = (card("vfio-pci"), boot_vga(CARD, first), igpu(), boot_vga(IGPU, second))
    assert subjects(judged(VfioBootCard, *parts)) == found


@pytest.mark.parametrize(
    ("line", "fails"),
    [
        ("0x0 0xfff direct", True),
        ("0x0 0xfff direct-relaxable", False),
        ("0x0 0xfff msi", False),
        ("0x0 0xfff reserved", False),
    ],
)
def test_only_direct_regions_are_an_obstacle(line: str, fails: bool) -> None:
    dmar = file("/sys/firmware/acpi/tables/DMAR", "")
    more = file("/sys/firmware/acpi/tables/FACP", "")
    more.files["/sys/firmware/acpi/tables/DSDT"] = ""
    regions = file(f"{GROUPS}/1/reserved_regions", f"{line}\n")
    found = judged(VfioDirectRegion, igpu(), card("vfio-pci"), regions, dmar, more)
    assert bool(found.diagnoses) is fails


REFUSALS = (
    "DMAR: Device is ineligible for IOMMU domain attach due to platform RMRR"
    " requirement.  Contact your platform vendor.",
    "Firmware has requested this device have a 1:1 IOMMU mapping, rejecting",
)


@pytest.mark.parametrize("line", REFUSALS)
def test_a_device_that_the_kernel_has_refused(line: str) -> None:
    text = f"[    0.1] DMAR: IOMMU enabled\n[  812.0] vfio-pci {CARD}: {line}\n"
    on = Parts(commands={("dmesg",): hosts.ran(("dmesg",), text)})
    found = judged(VfioDirectRegion, igpu(), card("vfio-pci"), on)
    (diagnosis,) = found.diagnoses
    assert CARD in str(diagnosis.finding.message)
    assert line in str(diagnosis.finding.evidence[0].observed)
    other = Parts(
        commands={("dmesg",): hosts.ran(("dmesg",), text.replace(CARD, IGPU))}
    )
    assert not judged(VfioDirectRegion, igpu(), card("vfio-pci"), other).diagnoses


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ("ProLiant DL380p Gen8", "vfio-region-hp"),
        ("HP Z440 Workstation", "vfio-region-vendor"),
    ],
)
def test_only_servers_have_the_tool_of_hp(machine: str, said: str) -> None:
    dmi = "/sys/class/dmi/id"
    board = file(f"{dmi}/sys_vendor", "HP\n").and_then(
        file(f"{dmi}/product_name", f"{machine}\n")
    )
    regions = file(f"{GROUPS}/1/reserved_regions", "0x0 0xfff direct\n")
    tables = file("/sys/firmware/acpi/tables/DMAR", "").and_then(
        file("/sys/firmware/acpi/tables/FACP", "")
    )
    parts = (igpu(), card("vfio-pci"), regions, board, tables)
    found = judged(VfioDirectRegion, *parts)
    (diagnosis,) = found.diagnoses
    assert diagnosis.finding.advice
    assert diagnosis.finding.advice.id == said


@pytest.mark.parametrize(
    ("parts", "fails"),
    [
        pytest.param((huge_pages(0),), True, id="none"),
        pytest.param((huge_pages(4095),), True, id="one too few"),
        pytest.param((huge_pages(4096),), False, id="enough"),
        pytest.param(
            (
                huge_pages(0),
                file("/etc/libvirt/hooks/qemu", "echo 4096 > .../nr_hugepages\n"),
            ),
            False,
            id="a hook reserves them",
        ),
    ],
)
def test_huge_pages(parts: tuple[Parts, ...], fails: bool) -> None:
    found = judged(
        VfioHugePages, igpu(), card("vfio-pci"), vm("01:00.0", huge=True), *parts
    )
    assert bool(found.diagnoses) is fails


MOUNT = "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize={} 0 0\n"


@for_each(
    ("mounts", "memfd", "right"),
    [
        (MOUNT.format("1024M"), False, ["vfio-huge-pages-not-mounted"]),
        (MOUNT.format("1024M"), True, []),
        (MOUNT.format("2M"), False, []),
        (MOUNT.format("2048K"), False, []),
        (MOUNT.format("1024M") + MOUNT.format("2M"), False, []),
        ("/dev/sda2 / ext4 rw 0 0\n", False, []),
    ],
)
def test_pages_come_through_a_mount_of_their_size(
    mounts: str, memfd: bool, right: list[str]
) -> None:
    guest = vm("01:00.0", huge=True)
    ((path, text),) = guest.files.items()
    text = str(text).replace("<hugepages/>", "<hugepages/><source type='memfd'/>")
    found = judged(
        VfioHugePages,
        igpu(),
        card("vfio-pci"),
        file(path, text) if memfd else guest,
        huge_pages(4096),
        file("/proc/mounts", mounts),
    )
    assert [d.finding.message.id for d in found.diagnoses] == right


@pytest.mark.parametrize(
    ("free", "users", "severities"),
    [
        ("4", "0", [Severity.WARNING]),
        ("4", "1", []),
        ("4096", "0", []),
        ("?", "0", []),
    ],
    ids=["held", "a VM runs", "free", "unknown"],
)
def test_reserved_pages_have_to_be_free_if_no_vm_runs(
    free: str, users: str, severities: list[Severity]
) -> None:
    found = judged(
        VfioHugePages,
        igpu(),
        card("vfio-pci"),
        vm("01:00.0", huge=True),
        huge_pages(4096),
        file(f"{HUGE}/free_hugepages", f"{free}\n"),
        file("/proc/modules", f"kvm_intel 167936 {users} - Live 0x0\n"),
    )
    assert [d.severity for d in found.diagnoses] == severities


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("hugepages: 2\nnuma: 1\n", []),
        ("hugepages: any\nnuma: 1\n", []),
        ("hugepages: 2\n", ["vfio-huge-pages-no-numa"]),
        ("hugepages: 1024\nnuma: 1\n", ["vfio-huge-pages-no-such"]),
        ("numa: 1\n", None),
    ],
)
def test_proxmox_reserves_by_itself(words: str, right: list[str] | None) -> None:
    conf = f"memory: 8192\nhostpci0: 01:00.0\n{words}"
    pve = file("/etc/pve/qemu-server/100.conf", conf)
    found = judged(VfioHugePages, igpu(), card("vfio-pci"), huge_pages(0), pve)
    said = [d.finding.message.id for d in found.diagnoses]
    assert found.status is Status.NOT_APPLICABLE if right is None else said == right


def power(state: str, status: str) -> Parts:
    home = f"{PCI}/{CARD}"
    return Parts(
        {f"{home}/power_state": f"{state}\n", f"{home}/power/runtime_status": status}
    )


@for_each(
    ("parts", "fails"),
    [
        pytest.param(power("D3cold", "error"), True, id="error"),
        pytest.param(power("D3cold", "suspended"), False, id="asleep"),
        pytest.param(power("D0", "active"), False, id="awake"),
    ],
)
def test_sleeping_alone_is_no_fault(parts: Parts, fails: bool) -> None:
    found = judged(VfioStuckInD3, igpu(), card("vfio-pci"), parts)
    assert subjects(found) == ([CARD] if fails else [])


IDLE_D3 = file("/etc/modprobe.d/v.conf", "options vfio-pci disable_idle_d3=1\n")
SHOWN = "/sys/module/vfio_pci/parameters/disable_idle_d3"


@pytest.mark.parametrize(
    ("parts", "advice"),
    [
        ((), "vfio-power-keep-awake"),
        ((file(SHOWN, "Y\n"),), "vfio-power-still-asleep"),
        ((file(SHOWN, "N\n"),), "vfio-power-keep-awake"),
        ((IDLE_D3, file(SHOWN, "N\n")), "vfio-power-set-not-in-force"),
        ((IDLE_D3,), "vfio-power-set-unseen"),
    ],
)
def test_what_is_set_already_is_not_advised(
    parts: tuple[Parts, ...], advice: str
) -> None:
    stuck = power("D3cold", "error")
    found = judged(VfioStuckInD3, igpu(), card("vfio-pci"), stuck, *parts)
    (one,) = found.diagnoses
    assert one.finding.advice is not None
    assert one.finding.advice.id == advice


@for_each(
    ("ids", "wrong"),
    [
        ("10de:1b80", []),
        ("10DE:1B80,", []),
        ("01:00.0", ["01:00.0"]),
        ("10de:1b80,1002:73df", ["1002:73df"]),
        ("10de-1b80", ["10de-1b80"]),
    ],
)
def test_ids_that_stand_for_nothing(ids: str, wrong: list[str]) -> None:
    line = booted(f"vfio-pci.ids={ids}")
    found = judged(VfioIdsMatchNothing, igpu(), card("vfio-pci"), line)
    assert subjects(found) == wrong


@pytest.mark.parametrize(
    ("driver", "made", "severity"),
    [
        ("vfio-pci", "0", Severity.ERROR),
        ("vfio-pci", "2", Severity.WARNING),
        ("igb", "0", Severity.ERROR),
        (None, "0", Severity.ERROR),
        ("igb", "2", Severity.WARNING),
    ],
)
def test_a_physical_function_that_makes_no_virtual_ones(
    driver: str | None, made: str, severity: Severity
) -> None:
    nic = function("0000:01:00.0", "8086:10c9", "020000", driver, 1)
    more = file(f"{PCI}/0000:01:00.0/sriov_totalvfs", "7\n")
    more.files[f"{PCI}/0000:01:00.0/sriov_numvfs"] = f"{made}\n"
    found = judged(VfioDeviceGone, igpu(), nic, more, vm("01:10.0"))
    assert [d.severity for d in found.diagnoses] == [severity]


@pytest.mark.parametrize(
    ("made", "driver", "right"),
    [
        ("2", "igb", [Severity.ERROR]),
        ("2", "vfio-pci", [Severity.INFO]),
        ("0", "igb", []),
    ],
)
def test_a_physical_function_with_virtual_ones_stays(
    made: str, driver: str, right: list[Severity]
) -> None:
    nic = function("0000:01:00.0", "8086:10c9", "020000", driver, 1)
    more = file(f"{PCI}/0000:01:00.0/sriov_totalvfs", "7\n")
    more.files[f"{PCI}/0000:01:00.0/sriov_numvfs"] = f"{made}\n"
    found = judged(VfioPhysicalFunction, igpu(), nic, more, vm("01:00.0"))
    assert [d.severity for d in found.diagnoses] == right


def test_real_boards_are_fine() -> None:
    for board in (amd_desktop(), intel_desktop()):
        for check in CHECKS:
            found = result(whole(booted("quiet"), KERNEL, *board), check)
            assert not found.diagnoses, (check.id, found)
