"""The list of ids is read as the kernel reads it."""

from __future__ import annotations

from support.rows import for_each
from vfio_doctor.parse.vfio_ids import is_bus_address, parse_id, parse_ids


@for_each(
    ("item", "numbers"),
    [
        ("10de:1b80", (0x10DE, 0x1B80)),
        ("0x10DE:0x1b80", (0x10DE, 0x1B80)),
        # sscanf stops at what is no number: an address is taken for ids.
        ("01:00.0", (1, 0)),
        ("10de:1b80junk", (0x10DE, 0x1B80)),
        ("10de", None),
        ("10de-1b80", None),
        ("vfio", None),
        (":10de", None),
    ],
)
def test_an_entry(item: str, numbers: tuple[int, int] | None) -> None:
    found = parse_id(item)
    assert (found and (found.vendor, found.device)) == numbers


def test_subsystem_and_class_narrow_an_entry() -> None:
    one = parse_id("10de:1b80:1043:8591:030000:ffff00")
    assert one is not None
    assert one.matches("10de", "1b80", "1043:8591", "030000")
    assert not one.matches("10de", "1b80", "1043:8592", "030000")
    assert not one.matches("10de", "1b80", "1043:8591", "040300")
    wide = parse_id("10de:ffffffff")
    assert wide is not None
    assert wide.matches("10de", "1234", "", "030000")
    assert not wide.matches("1002", "1234", "", "030000")


def test_a_list() -> None:
    taken, refused = parse_ids("10de:1b80,,oops,1002:73df")
    assert [one.text for one in taken] == ["10de:1b80", "1002:73df"]
    assert refused == ("oops",)


def test_bus_addresses() -> None:
    assert is_bus_address("01:00.0")
    assert is_bus_address("0000:01:00.0")
    assert not is_bus_address("10de:1b80")
