from __future__ import annotations

from typing import Any

import pytest

from support import corpus, hosts
from support.fixture_hosts.parts import Parts
from support.machines import GROUPS, TABLES, amd, intel, whole
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.iommu import (
    INTERRUPTS_LIMIT,
    AcpiTables,
    DmarTable,
    InterruptRemapping,
    Iommu,
)
from vfio_doctor.host.reader import Missing, Why

UNITS = "/sys/class/iommu"
INTERRUPTS = "/proc/interrupts"
ECAP = f"{UNITS}/dmar0/intel-iommu/ecap"


def with_tables(*names: str) -> Facts:
    return Facts(whole(Parts({f"{TABLES}/{name}": "" for name in names})))


# The list of names lacks a table that the record itself holds decoded.
INCOMPLETE = {f"acpi-{n:04}" for n in (153, 261, 335, 473, 663, 701)}


def test_every_recorded_list_of_tables() -> None:
    for record in corpus.records("acpi/tables.jsonl"):
        if record["id"] in INCOMPLETE:
            assert "DMAR" not in record["tables"], "mended: take it out of the list"
            assert "IVRS" not in record["tables"], "mended: take it out of the list"
            continue
        found = with_tables(*record["tables"])[AcpiTables]
        offer = "intel-dmar" if found.dmar else "amd-ivrs" if found.ivrs else "none"
        assert offer == record["expected"]["firmware_iommu"], record["id"]


def test_every_recorded_table_through_the_host() -> None:
    for record in corpus.records("acpi/raw-tables.jsonl"):
        data = bytes.fromhex(record["hex"])
        facts = Facts(whole(Parts({f"{TABLES}/DMAR": data, f"{TABLES}/FACP": ""})))
        found = facts[DmarTable].table
        assert facts[AcpiTables].dmar
        assert found.interrupt_remapping == record["expected"]["intr_remap"]


def test_names_are_listed_where_contents_are_denied() -> None:
    facts = Facts(intel())
    assert facts[AcpiTables].dmar
    with pytest.raises(MissingFact, match="run as root"):
        facts[DmarTable]


def test_a_doubled_or_hidden_table() -> None:
    assert with_tables("FACP", "DMAR1")[AcpiTables].dmar
    assert not with_tables("FACP", "XMAR")[AcpiTables].dmar
    assert with_tables("FACP", "VIOT")[AcpiTables].viot


@pytest.mark.parametrize("names", [(), ("data", "dynamic")], ids=["none", "masked"])
def test_a_listing_that_is_not_the_firmwares(names: tuple[str, ...]) -> None:
    with pytest.raises(MissingFact):
        with_tables(*names)[AcpiTables]


def test_a_file_that_is_no_table() -> None:
    facts = Facts(whole(Parts({f"{TABLES}/DMAR": b"nothing"})))
    with pytest.raises(MissingFact, match="not a DMAR table"):
        facts[DmarTable]


def test_units_and_groups() -> None:
    found = Facts(amd())[Iommu]
    assert found == Iommu(("ivhd0",), tuple(range(13)))
    assert found.on
    assert not Facts(amd(iommu=False))[Iommu].on


def test_a_kernel_built_without_iommu_has_no_folders() -> None:
    host = hosts.changed(amd(iommu=False), absent=[UNITS, GROUPS])
    assert not Facts(hosts.changed(host, files={"/sys/kernel/notes": ""}))[Iommu].on


@pytest.mark.parametrize("gone", ["/sys/kernel", "/sys"])
def test_without_sysfs_nothing_is_told(gone: str) -> None:
    with pytest.raises(MissingFact, match="absent"):
        Facts(hosts.changed(amd(), absent=[gone]))[Iommu]


@pytest.mark.parametrize("folder", [UNITS, GROUPS])
@pytest.mark.parametrize("why", [Why.DENIED, Why.NOT_CAPTURED, Why.TIMED_OUT])
def test_an_unlisted_folder_is_not_empty(folder: str, why: Why) -> None:
    host = amd()
    host.capture.lists[folder] = Missing(folder, why)
    with pytest.raises(MissingFact):
        Facts(host)[Iommu]


def groups_named(**names: str | Missing | None) -> Facts:
    files = {f"{GROUPS}/{n[1:]}/name": v for n, v in names.items() if v is not None}
    folders = [f"{GROUPS}/{name[1:]}" for name in names]
    arm = {"/proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd\n"}
    folders = [*folders, UNITS, GROUPS]
    return Facts(whole(Parts({**files, **arm}, folders=tuple(folders))))


@for_each(
    ("names", "groups", "pretended"),
    [
        ({"n0": "vfio-noiommu\n", "n1": "vfio-noiommu\n"}, (), (0, 1)),
        ({"n0": "vfio-noiommu\n", "n1": None}, (1,), (0,)),
        ({"n0": None, "n10": "other\n", "n9": None}, (0, 9, 10), ()),
    ],
    ids=["only pretended", "mixed", "real"],
)
def test_groups_of_the_no_iommu_mode_do_not_count(
    names: dict[str, str | None], groups: tuple[int, ...], pretended: tuple[int, ...]
) -> None:
    found = groups_named(**names)[Iommu]
    assert (found.groups, found.pretended) == (groups, pretended)


def test_on_x86_no_group_is_real_without_a_unit() -> None:
    """Mediated devices make groups without a name on kernels up to 5.15."""
    named = {f"{GROUPS}/{number}/type": "DMA\n" for number in (0, 1)}
    mediated = hosts.changed(intel(iommu=False), files=dict(named))
    found = Facts(mediated)[Iommu]
    assert (found.on, found.groups, found.unbacked) == (False, (), (0, 1))


def test_an_unreadable_group_name_is_not_guessed() -> None:
    with pytest.raises(MissingFact):
        groups_named(n0=hosts.denied("name"))[Iommu]


@for_each(
    ("text", "ecap", "on", "incapable"),
    [
        ("CPU0\n 1: 0 IR-IO-APIC 1-edge\n", "0\n", True, ()),
        ("CPU0\n 1: 0 IO-APIC 1-edge\n", "f020df\n", False, ()),
        ("CPU0\n 1: 0 IO-APIC 1-edge\n", "f020d0\n", False, ("dmar0",)),
        ("CPU0\n 1: 0 XEN-pirq 1-edge\n", "f020df\n", None, ()),
        ("CPU0\n 1: 0 PCI-MSIX-0000:01:00.0 1-edge\n", "zz\n", False, ()),
        ("", hosts.denied(ECAP), None, ()),
        (hosts.denied(INTERRUPTS), "f020d0\n", None, ("dmar0",)),
        (b"x" * (INTERRUPTS_LIMIT + 1), "8\n", None, ()),
    ],
    ids=[
        "remapped",
        "plain, capable",
        "plain, incapable",
        "foreign controller",
        "per device",
        "empty",
        "denied",
        "huge",
    ],
)
def test_interrupt_remapping(
    text: Any, ecap: Any, on: bool | None, incapable: tuple[str, ...]
) -> None:
    host = hosts.changed(intel(), files={INTERRUPTS: text, ECAP: ecap})
    found = Facts(host)[InterruptRemapping]
    assert (found.on, found.incapable) == (on, incapable)


def test_amd_units_have_no_vtd_capabilities() -> None:
    host = hosts.changed(amd(), files={INTERRUPTS: hosts.denied(INTERRUPTS)})
    found = Facts(host)[InterruptRemapping]
    assert (found.on, found.incapable) == (None, ())
