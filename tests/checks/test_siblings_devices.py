"""Siblings of the cases: what is said of a device, and what to do about it."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from support.fixture_hosts.parts import Parts, Recipe, capture, file
from support.fixture_hosts.recipes.passthrough import GUEST, SYSFS, domain
from support.hosts import changed, link
from support.machines import function
from support.rows import for_each
from support.with_cards import BASE, CARD, own
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Finding

REGISTRY = load()
AMD = catalogue.host("healthy-debian12-amd")
GRAPHICS, LINE = "0000:00:02.0", "/proc/cmdline"
NET = "0000:06:00.0"
CARDS = "10de:2482,10de:228b"


def found(host: CapturedHost, check: str) -> dict[str, Finding]:
    """Return findings by what they are of; the same after redaction."""
    (told,) = diagnose(Facts(host), REGISTRY, select=[check])
    shared = CapturedHost(redact(host.capture).capture)
    (again,) = diagnose(Facts(shared), REGISTRY, select=[check])
    assert len(told.diagnoses) == len(again.diagnoses)
    return {d.finding.subject: d.finding for d in told.diagnoses}


def built(*parts: Parts) -> CapturedHost:
    return CapturedHost(capture(Recipe("test host", "nothing", (*BASE, *parts))))


def driven(by: str, also: dict[str, str]) -> CapturedHost:
    """Return the host with the guest's card on drivers of its own."""
    uevent = "DRIVER={}\nPCI_CLASS={}\nPCI_ID={}\n"
    files = {
        f"{SYSFS}/{GUEST}/uevent": uevent.format(by, "30000", "10DE:2482"),
        f"{SYSFS}/0000:08:00.1/uevent": uevent.format(
            "snd_hda_intel", "40300", "10DE:228B"
        ),
    }
    return changed(AMD, {**files, **also})


IGPU = {
    "intel_iommu=on,igfx_off": "igfx_off leaves the processor's graphics out",
    "intel_iommu=intgpu_off": "intgpu_off leaves the processor's graphics out",
    "iommu=pt": "add the kernel argument `intel_iommu=on`",
    "intel_iommu=on": "Pass another device",
}


@for_each("word", IGPU)
def test_graphics_of_the_processor_without_a_group(word: str) -> None:
    host = built(
        own("amdgpu"),
        function(GRAPHICS, "8086:4680", "030000", "i915", None),
        file(LINE, f"quiet {word}\n"),
        file("/etc/libvirt/qemu/win11.xml", domain("00:02.0")),
    )
    advice = str(found(host, "vfio-no-group")[GRAPHICS].advice)
    assert IGPU[word] in advice


def test_another_device_without_a_group_is_no_matter_of_the_argument() -> None:
    host = built(
        own("amdgpu"),
        function(CARD, "10de:2482", "030000", None, None),
        file("/etc/libvirt/qemu/win11.xml", domain("01:00.0")),
    )
    advice = str(found(host, "vfio-no-group")[CARD].advice)
    assert "Pass another device" in advice


def test_of_a_built_in_vfio_pci_both_functions_name_one_whole_list() -> None:
    release = AMD.capture.files["/proc/sys/kernel/osrelease"]
    assert isinstance(release, bytes)
    home = f"/lib/modules/{release.decode().strip()}"
    also = {
        f"{home}/modules.builtin": "kernel/drivers/vfio/pci/vfio-pci.ko\n",
        "/etc/modprobe.d/vfio.conf": f"options vfio-pci ids={CARDS}\n",
    }
    told = found(driven("nvidia", also), "vfio-not-bound")
    assert len(told) == 2
    assert all(f"`vfio-pci.ids={CARDS}`" in str(f.advice) for f in told.values())


BINDS = {
    f"BIND={GUEST}|10de:2482 0000:08:00.1|10de:228b\n": "when it boots: reboot",
    f"BIND={GUEST} 0000:08:00.1\n": "when it boots: reboot",
    f"BIND={GUEST}|10de:1b80 0000:08:00.1|10de:10f0\n": "Choose the device anew",
}


@for_each("text", BINDS)
def test_unraid_leaves_another_device_at_that_address_alone(text: str) -> None:
    host = driven("nouveau", {"/boot/config/vfio-pci.cfg": text})
    told = found(host, "vfio-not-bound")
    assert len(told) == 2
    assert all(BINDS[text] in str(finding.advice) for finding in told.values())


def test_of_twins_that_both_went_the_rest_is_not_to_go_too() -> None:
    uevent = "DRIVER={}\nPCI_CLASS={}\nPCI_ID={}\n"
    pair = (("030000", "10DE:2482"), ("040300", "10DE:228B"))
    files = {
        f"{SYSFS}/0000:{bus}:00.{n}/uevent": uevent.format("vfio-pci", *pair[n])
        for bus in ("07", "08")
        for n in (0, 1)
    }
    left = f"{SYSFS}/0000:07:00.1/uevent"
    files[left] = uevent.format("snd_hda_intel", *pair[1])
    files[LINE] = f"quiet vfio-pci.ids={CARDS}\n"
    (finding,) = found(changed(AMD, files), "vfio-not-bound").values()
    assert finding.subject == "0000:07:00.1"
    assert "10de:228b also stands for 0000:08:00.1" in str(finding.advice)


def test_an_override_that_did_not_split_the_group_is_named() -> None:
    host = catalogue.host("case-vfio-04-b450-card-behind-chipset")
    line = host.capture.files[LINE]
    assert isinstance(line, bytes)
    words = "pcie_acs_override=downstream,multifunction"
    given = changed(host, {LINE: f"{line.decode().strip()} {words}\n"})
    for one, named in ((host, False), (given, True)):
        (finding,) = found(one, "vfio-group-shared").values()
        assert ("pcie_acs_override has not" in str(finding.advice)) is named


def test_huge_pages_of_another_size_are_told_with_the_order_of_the_words() -> None:
    host = catalogue.host("case-vfio-07-ubuntu-no-huge-pages")
    files = {
        path: text.decode().replace("quiet", "quiet hugepages=16 hugepagesz=1G")
        for path, text in host.capture.files.items()
        if isinstance(text, bytes)
        and (path in (LINE, "/etc/default/grub", "/boot/grub/grub.cfg"))
    }
    assert any("hugepages=16" in text for text in files.values())
    (finding,) = found(changed(host, files), "vfio-huge-pages").values()
    assert "`hugepagesz=2M hugepages=8192`, in this order" in str(finding.advice)


def test_what_the_host_lives_on_is_one_fault_and_not_two() -> None:
    vm = {"/etc/libvirt/qemu/win11.xml": domain("06:00.0")}
    route = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "enp6s0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\n"
    )
    card = link(f"../../devices/pci0000:00/{NET}/net/enp6s0")
    host = changed(
        AMD,
        {**vm, "/proc/net/route": route},
        stats={"/sys/class/net/enp6s0": card},
    )
    (finding,) = found(host, "vfio-device-busy").values()
    assert finding.subject == NET
    assert not found(host, "vm-definition-faulty")
