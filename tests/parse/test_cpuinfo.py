from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse.cpuinfo import parse

INTEL = (
    "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n"
    "model name\t: Some Core\nflags\t\t: fpu vmx ept\n"
    "address sizes\t: 46 bits physical, 48 bits virtual\n"
)


def test_every_recorded_processor_is_read_as_expected() -> None:
    wrong = [
        record["id"]
        for record in corpus.records("cpuinfo/cpuinfo.jsonl")
        if seen(record["text"]) != record["expected"]
    ]
    assert not wrong


def seen(text: str) -> dict[str, Any]:
    info = parse(text)
    if info is None:
        return {"vendor_id": None, "virt": None, "hypervisor": False, "x86": False}
    return {
        "vendor_id": info.vendor or None,
        "virt": info.virtualization or None,
        "hypervisor": "hypervisor" in info.flags,
        "x86": info.x86,
    }


def test_only_a_text_without_processor_is_none_in_the_corpus() -> None:
    none = [
        record["id"]
        for record in corpus.records("cpuinfo/cpuinfo.jsonl")
        if parse(record["text"]) is None
    ]
    assert none == []


def test_first_block_counts() -> None:
    info = parse(INTEL + "\n" + INTEL.replace("vmx ", ""))
    assert info is not None
    assert (info.virtualization, info.address_bits) == ("vmx", 46)
    assert (info.vendor, info.model, info.x86) == ("GenuineIntel", "Some Core", True)


@for_each(
    "text",
    [
        "",
        "\n\n",
        "\0\1\2 binary : yes",
        INTEL.replace("flags", "flogs"),
        INTEL.replace("processor", "p").replace("vendor_id", "v"),
    ],
    ids=["empty", "blank", "binary", "x86 without flags", "no opening field"],
)
def test_what_describes_no_processor(text: str) -> None:
    assert parse(text) is None


@for_each(
    ("sizes", "bits"),
    [
        ("46 bits physical, 48 bits virtual", 46),
        ("999999999999 bits physical", 0),
        ("-1 bits physical", 0),
        ("² bits physical", 0),
        ("46", 0),
        ("", 0),
    ],
)
def test_address_bits(sizes: str, bits: int) -> None:
    info = parse(INTEL.replace("46 bits physical, 48 bits virtual", sizes))
    assert info is not None
    assert info.address_bits == bits


@given(st.text() | st.text(alphabet="processor:flags cpu family\n\t vmx"))
def test_never_raises(text: str) -> None:
    parse(text)
    parse(INTEL + text)
