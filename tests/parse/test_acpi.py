from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse.acpi import Dmar, parse_dmar


def table(flags: int, *structures: tuple[int, int], haw: int = 38) -> bytes:
    body = b"".join(
        kind.to_bytes(2, "little") + size.to_bytes(2, "little") + bytes(size - 4)
        for kind, size in structures
    )
    length = (48 + len(body)).to_bytes(4, "little")
    return b"DMAR" + length + bytes(28) + bytes((haw, flags)) + bytes(10) + body


TWO_UNITS = table(1, (0, 24), (0, 32), (1, 32), (2, 16), (3, 20))


def test_every_recorded_table_is_decoded_as_expected() -> None:
    for record in corpus.records("acpi/raw-tables.jsonl"):
        found = parse_dmar(bytes.fromhex(record["hex"]))
        assert found is not None
        assert found._asdict() | {"haw": found.address_bits - 1} == {
            **found._asdict(),
            **record["parsed"],
        }, record["id"]
        assert {
            "firmware_iommu": "intel-dmar",
            "intr_remap": found.interrupt_remapping,
            "x2apic_opt_out": found.x2apic_opt_out,
            "dma_ctrl_platform_opt_in": found.platform_opt_in,
        } == record["expected"], record["id"]
        assert not found.damaged


def test_flags_of_every_recorded_header() -> None:
    for record in corpus.records("acpi/tables.jsonl"):
        dmar, expected = record.get("dmar"), record["expected"]
        if dmar is None or "intr_remap" not in expected:
            continue
        sizes = [(0, 24)] * dmar["drhd"] + [(1, 32)] * dmar["rmrr"]
        found = parse_dmar(table(dmar["flags"], *sizes, haw=dmar["haw"]))
        assert found is not None
        assert found.interrupt_remapping == expected["intr_remap"], record["id"]
        assert found.x2apic_opt_out == expected["x2apic_opt_out"], record["id"]
        opt_in = expected["dma_ctrl_platform_opt_in"]
        assert found.platform_opt_in == opt_in, record["id"]


def test_structures_are_counted() -> None:
    assert parse_dmar(TWO_UNITS) == Dmar(39, 1, drhd=2, rmrr=1, atsr=1)


@for_each(
    ("data", "drhd"),
    [
        (TWO_UNITS[:-1], 2),
        (TWO_UNITS[:60], 0),
        (table(1, (0, 24)) + b"rest", 1),
        (table(1, (0, 4))[:50] + b"\0\0", 0),
        (b"DMAR" + (20).to_bytes(4, "little") + TWO_UNITS[8:], 0),
        (table(1, (0, 24))[:4] + b"\xff\xff\xff\xff" + table(1, (0, 24))[8:], 1),
    ],
    ids=["cut", "cut in the first", "longer", "size 0", "short", "huge length"],
)
def test_damaged_lengths_stay_inside_the_table(data: bytes, drhd: int) -> None:
    found = parse_dmar(data)
    assert found is not None
    assert found.drhd == drhd
    assert found.damaged == (not data.endswith(b"rest"))


@for_each(
    "data", [b"", b"DMAR", b"FACP" + bytes(60)], ids=["empty", "name only", "other"]
)
def test_what_is_no_dmar_table(data: bytes) -> None:
    assert parse_dmar(data) is None


@given(st.binary(max_size=200))
def test_never_raises(data: bytes) -> None:
    parse_dmar(data)
    found = parse_dmar(b"DMAR" + len(data).to_bytes(4, "little") + data)
    if found is not None:
        assert found.drhd + found.rmrr + found.atsr <= len(data) // 4
