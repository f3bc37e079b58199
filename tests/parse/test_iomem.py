"""Whose ranges of addresses are: /proc/iomem."""

from __future__ import annotations

import pytest

from vfio_doctor.parse.iomem import framebuffers, parse

CARD = """\
c0000000-d1ffffff : PCI Bus 0000:01
  c0000000-cfffffff : 0000:01:00.0
    c0000000-c07e8fff : {name}
  d0000000-d1ffffff : 0000:01:00.0
fed40000-fed44fff : MSFT0101:00
"""


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("BOOTFB", True),
        ("efifb", True),
        ("simple-framebuffer.0", True),
        ("simplefb", True),
        ("simpledrm", True),
        ("nvidia", False),
        ("vfio-pci", False),
    ],
)
def test_a_framebuffer_inside_of_a_function_s_memory(name: str, held: bool) -> None:
    found = framebuffers(parse(CARD.format(name=name)) or ())
    assert [bdf for bdf, _ in found] == (["0000:01:00.0"] if held else [])
    assert all(one.raw == f"c0000000-c07e8fff : {name}" for _, one in found)


def test_one_that_lies_elsewhere_is_nobody_s() -> None:
    text = "80000000-807e8fff : BOOTFB\nc0000000-cfffffff : 0000:01:00.0\n"
    assert framebuffers(parse(text) or ()) == ()


def test_zeros_say_nothing() -> None:
    assert parse("00000000-00000000 : PCI Bus 0000:00\n") is None
    assert parse("") == ()
    assert parse("rubbish\nzz-yy : x\n1-2\n") == ()
