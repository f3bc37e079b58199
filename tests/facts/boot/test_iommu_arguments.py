from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.facts.boot.iommu_arguments import disabling, without_effect
from vfio_doctor.parse import cmdline
from vfio_doctor.parse.known_arguments import KNOWN

OFF = [
    ("quiet", True, ()),
    ("iommu=off", True, ("iommu=off",)),
    ("iommu=off", False, ("iommu=off",)),
    ("iommu=soft,off", False, ("iommu=soft,off",)),
    ("iommu=off iommu=pt", False, ("iommu=off",)),
    ("amd_iommu=off", True, ("amd_iommu=off",)),
    ("amd-iommu=off", True, ("amd-iommu=off",)),
    ("amd_iommu=off amd_iommu=on", True, ("amd_iommu=off",)),
    ("amd_iommu=off", False, ()),
    ("intel_iommu=off", True, ()),
    ("intel_iommu=off", False, ("intel_iommu=off",)),
    ("intel_iommu=off,sm_on", False, ("intel_iommu=off,sm_on",)),
    ("intel_iommu=off intel_iommu=on", False, ()),
    ("intel_iommu=off,on", False, ()),
    ("intel_iommu=on intel_iommu=off", False, ("intel_iommu=off",)),
    ("intel_iommu=off intel_iommu=igfx_off", False, ("intel_iommu=off",)),
    ("intel_iommu=igfx_off", False, ()),
    ('"intel_iommu=off"', False, ('"intel_iommu=off"',)),
    ("a -- iommu=off", False, ()),
    ("intel_iommu= iommu", False, ()),
]


@for_each(("text", "amd", "words"), OFF)
def test_words_that_turn_it_off(text: str, amd: bool, words: tuple[str, ...]) -> None:
    assert disabling(cmdline.parse(text), amd) == words


IDLE = [
    ("amd_iommu=on", True, "by itself", ""),
    ("amd_iommu=pt", True, "the value pt", "iommu=pt"),
    ("amd_iommu=on,fullflush", True, "by itself", ""),
    ("amd_iommu=pt", False, "AMD's IOMMU", "iommu=pt"),
    ("intel_iommu=on", True, "Intel's IOMMU", ""),
    ("intel_iommu=pt", False, "the value pt", "iommu=pt"),
    ("intel-iommu=pt", False, "the value pt", "iommu=pt"),
    ("intel_iommu=1", False, "the value 1", "intel_iommu=on"),
    ("iommu=on", True, "on x86", ""),
    ("iommu=on", False, "on x86", "intel_iommu=on"),
    ("iommu=pt,on", False, "on x86", "iommu=pt intel_iommu=on"),
    ("iommu=pt,on", True, "on x86", "iommu=pt"),
    ("initcall_backlist=x", True, "called", "initcall_blacklist=x"),
    ("kvm.ignore_mrss=1", True, "called", "kvm.ignore_msrs=1"),
    ("module_blaklist=x", True, "called", "module_blacklist=x"),
    ("vfio_pci.disable_vag=1", True, "called", "vfio-pci.disable_vga=1"),
    (
        "kvm.allow_unsafe_assigned_interrupts=1",
        *(True, "called", "vfio_iommu_type1.allow_unsafe_interrupts=1"),
    ),
    ("iommu=ptt,yes", False, "the value yes", ""),
    ("vfio.pci.ids=10de:1", False, "called vfio.pci.ids", "can do without"),
    ("vfio.pci_ids=10de:1", False, "called", "can do without"),
    ("vfio-pci-ids=10de:1", False, "called", "can do without"),
    ("Intel_IOMU=on", False, "called", "intel_iommu=on"),
    ("kvm_ignore_msrs", False, "called", "kvm.ignore_msrs"),
    ("vfio_pci=ids=10de:1", False, "called vfio_pci", "can do without"),
    ("vfio_pci=ids", False, "called vfio_pci", "can do without"),
    ("vfio-pci.ids:10de:1,10de:2", False, "called", "can do without"),
    ("VFIO-PCI.ids=10de:1", False, "called VFIO-PCI.ids", "can do without"),
    ("ids=10de:1,10de:2", False, "called ids", "can do without"),
    ("KVM.ignore_msrs=1", False, "called", "kvm.ignore_msrs=1"),
    ("vfio-pci.ids=10de:1;10de:2", False, "parts entries at commas", "can do without"),
    ("vfio-pci.ids=01:00.0", False, "a bus address", "lspci"),
    ("vfio_pci.ids=10de1b80", False, "no vendor:device pair", "lspci"),
]


WORK = ("vfio_pci.ids=0x10de:0x1", "vfio-pci=x", "ids=alice", "vfio-pci.ids:alice")


@for_each("word", WORK)
def test_words_of_which_nothing_is_said(word: str) -> None:
    assert without_effect(cmdline.parse(f"quiet {word}"), True) == ()


@for_each(
    "list_", ("vfio-pci.ids 10de:1", "vfio-pci.ids= 10de:1", "a.ids=10de:2, 10de:1")
)
def test_ids_that_a_blank_cuts_off(list_: str) -> None:
    found = without_effect(cmdline.parse(list_), True)
    assert [(one.word, one.serious) for one in found] == [("10de:1", True)]


@for_each(("word", "amd", "why", "meant"), IDLE)
def test_idle_words(word: str, amd: bool, why: str, meant: str) -> None:
    (found,) = without_effect(cmdline.parse(f"quiet {word} {word}"), amd)
    assert found.word == word
    assert why in str(found.why)
    assert meant in str(found.meant)
    assert bool(meant) == bool(found.meant)


GOOD = [
    "vfio-pci.ids=10de:1b80,1002:67df:1458:22fb vfio_pci.ids=",
    "vfio_iommu_type1.allow_unsafe_interrupts=1 vfio.enable_unsafe_noiommu_mode=1",
    "intremap=off kvm.ignore_msrs=1 kvmfr.static_size_mb=64 iommu.passthrough=1",
    "iommu=64M,fullflush quiet",
]


@pytest.mark.parametrize("amd", [True, False])
@pytest.mark.parametrize("text", GOOD)
def test_words_that_work(text: str, amd: bool) -> None:
    assert without_effect(cmdline.parse(text), amd) == ()


@for_each("key", list(KNOWN))
def test_values_that_the_kernel_knows(key: str) -> None:
    for value in KNOWN[key]:
        assert not without_effect(cmdline.parse(f"{key}={value}"), key != "intel_iommu")


@given(st.text(alphabet="iommuntelad_-.=,:on vfp\"'\x00é"), st.booleans())
def test_any_text_is_judged(text: str, amd: bool) -> None:
    line = cmdline.parse(text)
    assert set(disabling(line, amd)) <= set(line.words)
    assert {idle.word for idle in without_effect(line, amd)} <= set(line.words)


def records() -> list[Any]:
    return [pytest.param(r, id=r["id"]) for r in corpus.records("cmdline.jsonl")]


@for_each("record", records())
def test_corpus(record: dict[str, Any]) -> None:
    line, expected = cmdline.parse(record["cmdline"]), record["expected"]
    problems = set(expected["problems"])
    # The line names the maker: nobody sets both.
    amd = line.has("amd_iommu")
    idle = {each.word: each for each in without_effect(line, amd)}
    assert bool(disabling(line, amd)) == ("iommu-off" in problems)
    invalid = {p.partition(":")[2] for p in problems if p.startswith("invalid-value")}
    harmless = {"amd_iommu=on"} & set(line.words)
    assert set(idle) == invalid | harmless
    if "not a recognised value" in (expected.get("amd_iommu") or ""):
        assert "by itself" in str(idle["amd_iommu=on"].why)
    effective = [
        w for w in line.values("intel_iommu") if f"intel_iommu={w}" not in idle
    ]
    assert (effective[-1:] or [None])[0] == expected.get("intel_iommu")


def test_bundles_of_the_corpus() -> None:
    lines = {
        record["id"]: cmdline.parse(record["files"]["/proc/cmdline"])
        for record in corpus.records("host-bundles.jsonl")
        if "/proc/cmdline" in record["files"]
    }
    assert (lines["bundle-003"].last("vfio-pci.ids") or "").split(",") == [
        "10de:2584",
        "10de:2291",
    ]
    assert lines["bundle-009"].values("intel_iommu") == ("on",)
    assert not any(disabling(line, False) for line in lines.values())
