"""What cannot be told is said to be so; many domains cost no more than each alone."""

from __future__ import annotations

import pytest

from support.calls import calls
from support.rows import for_each
from support.vm_hosts import host
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.lints import every
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.judge import Judged, judge
from vfio_doctor.parse.xml_edit import applied
from vfio_doctor.parse.xml_tree import QEMU

DATA = EXAMPLE.encode()
CPUINFO = "processor\t: 0\nvendor_id\t: GenuineIntel\nsiblings\t: 16\n"


def judged(built: CapturedHost, text: str = EXAMPLE) -> Judged:
    return judge(text.encode(), "win11.xml", Facts(built))


def untold(found: Judged) -> set[str]:
    return {one.lint.id for one in found.untold}


def test_a_host_that_tells_nothing_is_not_all_fine() -> None:
    found = judged(CapturedHost(Capture.empty("nothing", host().caller())))
    assert found.faults == ()
    assert untold(found) >= {
        "vm-kvmfr-missing",
        "vm-hostdev-missing",
        "vm-group-incomplete",
        "vm-huge-pages",
        "vm-loader-missing",
        "vm-emulator-missing",
        "vm-too-many-cpus",
    }
    asking = {lint.id for lint in every() if lint.reads_host}
    assert untold(found) <= asking


@for_each(
    ("path", "lint"),
    [
        ("/proc/cpuinfo", "vm-too-many-cpus"),
        ("/proc/meminfo", "vm-memory-too-large"),
        ("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "vm-huge-pages"),
    ],
)
def test_what_is_denied_is_unknown(path: str, lint: str) -> None:
    assert lint in untold(judged(host(files={path: Missing(path, Why.DENIED)})))


def test_a_capture_with_fewer_processors_than_there_are() -> None:
    found = judged(host(files={"/proc/cpuinfo": CPUINFO}))
    assert "vm-too-many-cpus" in untold(found)


def test_an_amd_host_has_no_width_to_compare() -> None:
    cap = "/sys/class/iommu/dmar0/intel-iommu/cap"
    built = host(
        files={"/sys/class/iommu/ivhd0/devices": ""},
        absent=(cap,),
        vendor="AuthenticAMD",
    )
    wide = "<iommu><driver aw_bits='48'/></iommu>"
    text = EXAMPLE.replace("<memballoon", f"{wide}<memballoon")
    found = judged(built, text)
    assert "vm-iommu-width" not in untold(found) | {f.lint.id for f in found.faults}


def test_containers_and_other_hypervisors_are_not_judged() -> None:
    for kind in ("lxc", "xen", "vz"):
        text = EXAMPLE.replace("type='kvm'", f"type='{kind}'", 1)
        found = judged(host(), text.replace("model='none'", "model='virtio'"))
        assert (found.name, found.faults, found.untold) == ("win11", (), ())


WRITTEN_BARE = EXAMPLE.replace("qemu:commandline>", "commandline>").replace(
    "<commandline>", f"<commandline xmlns='{QEMU}'>"
)


def test_a_default_namespace_is_judged_as_the_prefix_is() -> None:
    text = WRITTEN_BARE.replace("<qemu:arg", "<arg")
    assert "<arg value" in text
    assert judged(host(), text).faults == judged(host(), EXAMPLE).faults == ()
    sick = text.replace("'size':67108864", "'size':33554432")
    said = {f.lint.id for f in judged(host(), sick).faults}
    other = EXAMPLE.replace("'size':67108864", "'size':33554432")
    assert said == {f.lint.id for f in judged(host(), other).faults} != set()


def test_a_cure_in_a_default_namespace_is_at_its_place() -> None:
    right = WRITTEN_BARE.replace("<qemu:arg", "<arg")
    text = right.replace("'size':67108864", "'size':33554432")
    found = judged(host(), text)
    edits = [edit for fault in found.faults for edit in fault.cure]
    assert edits
    assert applied(text.encode(), edits).decode() == right


@pytest.mark.parametrize("held", ["domain", "qemu:commandline"])
def test_an_address_with_a_mistake_is_said_and_cured(held: str) -> None:
    wrong = QEMU.replace("1.0", "1.1")
    text = EXAMPLE.replace(QEMU, wrong)
    if held != "domain":
        text = EXAMPLE.replace(f"<{held}>", f"<{held} xmlns:qemu='{wrong}'>")
    found = judged(host(), text)
    assert "vm-qemu-namespace" in {f.lint.id for f in found.faults}
    edits = [edit for fault in found.faults for edit in fault.cure]
    cured = applied(text.encode(), edits).decode()
    assert cured == text.replace(wrong, QEMU)
    assert judged(host(), cured).faults == ()


def test_many_domains_cost_what_each_costs() -> None:
    def of(number: int) -> int:
        facts = Facts(host())
        return calls(lambda: [judge(DATA, "vm.xml", facts) for _ in range(number)])

    few, many = of(5), of(40)
    assert many < few * 9
    # A hundred a second, at ten million calls a second and the half of that.
    assert many / 40 < 50_000


def test_a_hostile_number_of_devices_is_no_harm() -> None:
    one = (
        "<hostdev type='pci'><source><address bus='0x{:02x}' slot='{}'/></source>"
        "</hostdev>"
    )
    devices = "".join(one.format(n % 256, n % 32) for n in range(8000))
    found = judged(host(), EXAMPLE.replace("<memballoon", f"{devices}<memballoon"))
    assert found.refused is None
    assert len(found.faults) < 1000
