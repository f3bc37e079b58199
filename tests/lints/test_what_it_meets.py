"""Where the guest runs, which pages it gets, and which ROM and port it meets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.rows import for_each
from support.vm_hosts import CPU_FOLDER, FUNCTIONS, Function, host, rom
from vfio_doctor.facts.base import Facts, NotApplicable
from vfio_doctor.facts.vm_host import IommuWidth
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.hostdev import FIRST
from vfio_doctor.lints.judge import Fault, judge
from vfio_doctor.parse.domain_numbers import number, number_set

PIN = "<vcpupin vcpu='1' cpuset='9'/>"
HUGE = "<hugepages/>"
SPICE = "<graphics type='spice' autoport='yes'/>"
ROM = "/var/lib/libvirt/vbios/gpu.rom"
CLIENT = "/etc/looking-glass-client.ini"


def found(text: str, built: CapturedHost) -> list[Fault]:
    return list(judge(text.encode(), "win11.xml", Facts(built)).faults)


def said(text: str, files: Mapping[str, str | bytes | Missing]) -> list[str]:
    return [fault.message.id for fault in found(text, host(files=files))]


@for_each(
    ("text", "numbers"),
    [
        ("0-3", "0 1 2 3"),
        (" 1 , 4-5,^4", "1 5"),
        ("7", "7"),
        ("7, 8, ", "7 8"),
        (",", ""),
        ("^1", ""),
        ("", ""),
        ("a-b", ""),
        ("3-1", ""),
        ("0-99999", " ".join(map(str, range(4097)))),
    ],
)
def test_lists_of_numbers(text: str, numbers: str) -> None:
    assert list(number_set(text)) == numbers.split()


@for_each(
    ("cpuset", "running", "ids"),
    [
        ("9", "0-15", []),
        ("99", "0-15", ["vm-cpus-not-running"]),
        # Fifteen run, and the last of them has number 15.
        ("15", "0-8,10-15", []),
        ("9", "0-8,10-15", ["vm-cpus-not-running"]),
        ("8-9", "0-8,10-15", []),
        ("8,99", "0-15", ["vm-cpus-not-running"]),
    ],
)
def test_pins_to_processors_that_do_not_run(
    cpuset: str, running: str, ids: list[str]
) -> None:
    text = EXAMPLE.replace(PIN, PIN.replace("'9'", f"'{cpuset}'"))
    files = {f"{CPU_FOLDER}/online": f"{running}\n"}
    assert [i for i in said(text, files) if i == "vm-cpus-not-running"] == ids


CACHE = f"{CPU_FOLDER}/cpu8/cache/index3/shared_cpu_list"
FAST, SLOW = "/sys/devices/cpu_core/cpus", "/sys/devices/cpu_atom/cpus"
NODE = "/sys/bus/pci/devices/0000:01:00.0/numa_node"
NODES = {
    "/sys/devices/system/node/online": "0-1\n",
    "/sys/devices/system/node/node0/cpulist": "0-7\n",
    "/sys/devices/system/node/node1/cpulist": "8-15\n",
}


@for_each(
    ("files", "ids"),
    [
        ({CACHE: "8-15\n"}, []),
        ({CACHE: "0,8\n"}, ["vm-pins-crossed"]),
        # Two processors cannot be behind a cache of one.
        ({CACHE: "8\n"}, []),
        ({FAST: "0-9\n", SLOW: "10-15\n"}, []),
        ({FAST: "0-7\n", SLOW: "8-15\n"}, []),
        ({FAST: "0-8\n", SLOW: "9-15\n"}, ["vm-pins-mixed"]),
        ({**NODES, NODE: "1\n"}, []),
        ({**NODES, NODE: "0\n"}, ["vm-pins-far"]),
        ({**NODES, NODE: "-1\n"}, []),
        ({NODE: "0\n"}, []),
    ],
)
def test_where_the_guest_is_pinned(files: dict[str, str], ids: list[str]) -> None:
    assert said(EXAMPLE, files) == ids


def test_a_guest_without_pins_asks_for_no_layout() -> None:
    text = EXAMPLE.replace("vcpupin", "iothreadpin")
    denied = {path: Missing(path, Why.DENIED) for path in (CACHE, FAST, SLOW, NODE)}
    judged = judge(text.encode(), "win11.xml", Facts(host(files=denied)))
    assert [one.lint.id for one in judged.untold] == []


def cells(pages: str) -> str:
    numa = (
        "<numa>\n<cell id='0' cpus='0-3' memory='4' unit='GiB'/>\n"
        "<cell id='1' cpus='4-7' memory='12' unit='GiB'/>\n</numa>\n  </cpu>"
    )
    text = EXAMPLE.replace("</cpu>", numa)
    return text.replace(HUGE, f"<hugepages>{pages}</hugepages>")


GIB = "<page size='1' unit='GiB'{}/>"
MIB = "<page size='2' unit='MiB'{}/>"


@for_each(
    ("pages", "wanted"),
    [
        (MIB.format(""), []),
        (GIB.format(""), [16]),
        (GIB.format(" nodeset='0'"), [4]),
        (GIB.format(" nodeset='1'") + MIB.format(" nodeset='0'"), [12]),
        (GIB.format(" nodeset='1'") + MIB.format(""), [12]),
        (GIB.format("") + MIB.format(" nodeset='0-1'"), []),
        (GIB.format(" nodeset='5'"), []),
        ("<page size='4' unit='KiB'/>", []),
    ],
)
def test_pages_of_cells(pages: str, wanted: list[int]) -> None:
    faults = found(cells(pages), host())
    messages = [dict(fault.message.params) for fault in faults]
    assert [each["wanted"] for each in messages] == [one * 1024 for one in wanted]
    assert {fault.lint.id for fault in faults} <= {"vm-huge-pages"}


@for_each(
    ("features", "bits"),
    [
        ("58f77ef22294a5a\n", 64),
        ("25bf732fa2295afe:1d\n", 64),
        ("1d:25bf732fa2295afe\n", 64),
        ("58f77ef2229425a\n", 48),
        ("58f77ef2229465a\n", 57),
        ("58f77ef22294e5a\n", None),
        ("0\n", None),
    ],
)
def test_the_width_of_amds_iommu(features: str, bits: int | None) -> None:
    built = host(
        files={"/sys/class/iommu/ivhd0/amd-iommu/features": features},
        absent=("/sys/class/iommu/dmar0/intel-iommu/cap",),
        vendor="AuthenticAMD",
    )
    if bits is None:
        with pytest.raises(NotApplicable):
            Facts(built)[IommuWidth]
    else:
        assert Facts(built)[IommuWidth].bits == bits


def test_an_amd_guest_beyond_a_narrow_iommu() -> None:
    text = EXAMPLE.replace("<maxphysaddr mode='passthrough' limit='39'/>", "")
    files = {"/sys/class/iommu/ivhd0/amd-iommu/features": "58f77ef2229425a\n"}
    gone = ("/sys/class/iommu/dmar0/intel-iommu/cap",)
    narrow = host(files=files, absent=gone, vendor="AuthenticAMD", bits=52)
    assert "vm-physical-wider" in [f.message.id for f in found(text, narrow)]
    equal = host(files=files, absent=gone, vendor="AuthenticAMD", bits=48)
    assert "vm-physical-wider" not in [f.message.id for f in found(text, equal)]


@for_each(
    ("graphics", "client", "ids"),
    [
        (SPICE, "", []),
        (SPICE, "[spice]\nport=5900\n", []),
        (SPICE, "[spice]\nport=5910\n", ["vm-spice-port-picked"]),
        (SPICE.replace("autoport='yes'", "port='5900'"), "", []),
        (SPICE.replace("autoport='yes'", "port='5901'"), "", ["vm-spice-port-unsaid"]),
        (
            SPICE.replace("autoport='yes'", "port='5901'"),
            "[spice]\nport=5902\n",
            ["vm-spice-port-other"],
        ),
        (
            SPICE.replace("autoport='yes'", "port='5901'"),
            "[spice]\nenable=no\nport=5902\n",
            [],
        ),
        (
            SPICE.replace("autoport='yes'", "port='5901'"),
            "[spice]\nhost=192.0.2.7\nport=5902\n",
            [],
        ),
        (
            "<graphics type='spice'><listen type='socket' socket='/run/a'/></graphics>",
            "[spice]\nport=5910\n",
            [],
        ),
        (
            "<graphics type='spice'><listen type='none'/><gl enable='yes'/></graphics>",
            "",
            [],
        ),
        (
            "<graphics type='spice' port='-1'><gl enable='yes'/></graphics>",
            "",
            ["vm-spice-gl-port"],
        ),
        ("<graphics type='spice'><gl enable='yes'/></graphics>", "", []),
    ],
)
def test_the_port_of_spice(graphics: str, client: str, ids: list[str]) -> None:
    assert said(EXAMPLE.replace(SPICE, graphics), {CLIENT: client}) == ids


WITH_ROM = EXAMPLE.replace(
    f"{FIRST}\n      </source>", f"{FIRST}\n      </source>\n<rom file='{ROM}'/>"
)
BIOS_TOO = WITH_ROM.replace("<loader", "<gone").replace("</loader", "</gone")


@for_each(
    ("text", "held", "ids"),
    [
        (WITH_ROM, rom(0), ["vm-rom-no-uefi"]),
        (WITH_ROM, rom(0, 3), []),
        (WITH_ROM, rom(3), []),
        (BIOS_TOO, rom(3), ["vm-rom-only-uefi"]),
        (BIOS_TOO, rom(0), []),
        (BIOS_TOO, rom(0, 3), []),
        # Cut off, and without a record: it says nothing.
        (WITH_ROM, rom(0)[:40], []),
        (WITH_ROM, b"\x55\xaa" + bytes(600), []),
    ],
)
def test_the_firmware_that_a_rom_is_for(text: str, held: bytes, ids: list[str]) -> None:
    assert [i for i in said(text, {ROM: held}) if "firmware" not in i] == ids


IOMMUFD = EXAMPLE.replace(
    f"{FIRST}\n      </source>",
    f"{FIRST}\n      </source>\n<driver name='vfio' iommufd='yes'/>",
)


@for_each(
    ("files", "ids"),
    [
        ({}, ["vm-iommufd-none"]),
        ({"/dev/iommu": ""}, ["vm-iommufd-no-node"]),
        (
            {
                "/dev/iommu": "",
                "/sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio0/dev": "242:0\n",
            },
            [],
        ),
    ],
)
def test_iommufd_needs_a_node_of_the_device(
    files: dict[str, str], ids: list[str]
) -> None:
    assert said(IOMMUFD, files) == ids


def test_a_bridge_is_said_to_be_one_and_nothing_else() -> None:
    bridge = Function("0000:03:00.0", "60400", "8086:4C01", "pcieport", 3)
    others = tuple(f for f in FUNCTIONS if not f.bdf.startswith("0000:03"))
    text = EXAMPLE.replace("bus='0x01'", "bus='0x03'").replace(
        "managed='yes'", "managed='no'"
    )
    faults = found(text, host((*others, bridge)))
    of_it = [f.lint.id for f in faults if "0000:03:00.0" in str(f.message)]
    assert of_it == ["vm-hostdev-bridge"]


@for_each(
    ("text", "value"),
    [("0x01", 1), ("01", 1), ("010", 8), ("1", 1), ("0", 0), ("0X1f", 31), (" 2 ", 2)],
)
def test_numbers_as_libvirt_reads_them(text: str, value: int) -> None:
    assert number(text) == value


@for_each("text", ["", "08", "1f", "0x", "a"])
def test_what_is_no_number_for_libvirt(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        number(text)


def test_an_address_without_a_hexadecimal_sign_is_one() -> None:
    assert said(EXAMPLE.replace("bus='0x01'", "bus='01'"), {}) == []


@for_each(
    ("cpuset", "ids"),
    [
        ("0-3", []),
        ("8-9", ["vm-emulator-same"]),
        ("9", ["vm-emulator-same"]),
        ("7-9", []),
    ],
)
def test_qemus_own_threads_beside_the_guests(cpuset: str, ids: list[str]) -> None:
    assert said(EXAMPLE.replace("cpuset='0-3'", f"cpuset='{cpuset}'"), {}) == ids
