"""On every captured host: what it needs is never bound, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from support import hosts
from support.effort import is_quick
from support.fixture_hosts import catalogue
from support.machines import GROUPS, PCI
from vfio_doctor.boot.selection import chosen
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, MissingFact, Options
from vfio_doctor.facts.pci.devices import PciDevice, PciDevices
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.values import Plan

REGISTRY = load()
RULE = ("vfio-not-bound",)


def plan_of(capture: Capture, *addresses: str) -> Plan:
    """The plan if somebody sets up passthrough of these functions."""
    host = CapturedHost(capture)
    facts = Facts(host, Options(devices=addresses, bind=True))
    results = diagnose(facts, REGISTRY, RULE)
    return make_plan(host, facts, results, chosen(host, facts), risky=True)


def functions(host: CapturedHost) -> tuple[PciDevice, ...]:
    try:
        return Facts(host)[PciDevices].devices
    except MissingFact:
        return ()


@cache
def bound() -> tuple[tuple[str, PciDevice], ...]:
    """Of each host the first function that a plan binds."""
    return tuple(_bound())


def _bound() -> Iterator[tuple[str, PciDevice]]:
    for name in catalogue.names()[:: 3 if is_quick() else 1]:
        if plan_of(catalogue.capture(name)).steps:
            # Something else is mended there.
            continue
        for one in functions(catalogue.host(name)):
            if (
                not one.class_.startswith("06")
                and plan_of(catalogue.capture(name), one.bdf).steps
            ):
                yield name, one
                break


@pytest.mark.slow
def test_what_is_bound_is_nothing_that_the_host_shows_to_need() -> None:
    # Told from the files alone, without what the refusals are made from.
    assert len(bound()) > (6 if is_quick() else 20)
    for name, one in bound():
        host = catalogue.host(name)
        home = f"{PCI}/{one.bdf}"
        assert one.class_[:4] not in ("0800", "0806", "0c05"), (name, one)
        assert read_text(host, f"{home}/boot_vga") != "1\n", name
        assert host.glob("/sys/class/iommu/*"), name
        assert isinstance(host.readlink(f"{home}/physfn"), Missing), name
        card = one.bdf.rpartition(".")[0]
        for other in functions(host):
            outside = other.bdf.rpartition(".")[0] != card
            taken = other.driver in ("", "vfio-pci", "pcieport")
            if outside and other.group == one.group and one.group is not None:
                assert taken or other.class_.startswith("06"), (name, other)


def on_screen(capture: Capture, one: PciDevice) -> None:
    capture.files[f"{PCI}/{one.bdf}/boot_vga"] = b"1\n"
    capture.files[f"{PCI}/{one.bdf}/class"] = b"0x030000\n"
    path = f"{PCI}/{one.bdf}/uevent"
    text = capture.files[path]
    assert isinstance(text, bytes)
    lines = [x for x in text.split(b"\n") if not x.startswith(b"PCI_CLASS")]
    capture.files[path] = b"\n".join([b"PCI_CLASS=30000", *lines])


def reserved(capture: Capture, one: PciDevice) -> None:
    path = f"{GROUPS}/{one.group}/reserved_regions"
    capture.files[path] = b"0x0000000000000000 0x0000000000ffffff direct\n"


def maker_of_virtual(capture: Capture, one: PciDevice) -> None:
    capture.files[f"{PCI}/{one.bdf}/sriov_totalvfs"] = b"7\n"
    capture.files[f"{PCI}/{one.bdf}/sriov_numvfs"] = b"2\n"


def virtual(capture: Capture, one: PciDevice) -> None:
    capture.stats[f"{PCI}/{one.bdf}/physfn"] = hosts.link("../0000:00:1f.0")


def without_iommu(capture: Capture, one: PciDevice) -> None:
    for held in (capture.stats, capture.lists):
        for path in [p for p in held if "iommu" in p]:
            del held[path]
    capture.lists["/sys/class/iommu"] = ()
    capture.lists[GROUPS] = ()


def root_disk(capture: Capture, one: PciDevice) -> None:
    capture.files["/proc/mounts"] = b"/dev/nvme7n1p2 / ext4 rw 0 0\n"
    capture.stats["/sys/class/block/nvme7n1p2"] = hosts.link(
        f"../../devices/pci0000:00/{one.bdf}/nvme/nvme7/nvme7n1/nvme7n1p2"
    )


def in_the_chipset(capture: Capture, one: PciDevice) -> None:
    path = f"{PCI}/{one.bdf}/uevent"
    text = capture.files[path]
    assert isinstance(text, bytes)
    lines = [x for x in text.split(b"\n") if not x.startswith(b"PCI_CLASS")]
    capture.files[path] = b"\n".join([b"PCI_CLASS=C0500", *lines])


REFUSED: dict[str, Callable[[Capture, PciDevice], None]] = {
    "the firmware draws on it": on_screen,
    "a direct region": reserved,
    "it makes virtual functions": maker_of_virtual,
    "it is a virtual function": virtual,
    "no IOMMU": without_iommu,
    "root lies on it": root_disk,
    "a function of the chipset": in_the_chipset,
}


@pytest.mark.slow
@pytest.mark.parametrize("why", REFUSED)
def test_refused_on_each_host_that_could(why: str) -> None:
    tried = 0
    for name, one in bound():
        if one.group is None or one.driver == "vfio-pci":
            continue
        capture = catalogue.capture(name)
        REFUSED[why](capture, one)
        plan = plan_of(capture, one.bdf)
        assert not plan.steps, (name, one.bdf)
        tried += 1
    assert tried > (3 if is_quick() else 10)
