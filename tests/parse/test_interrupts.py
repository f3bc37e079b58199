from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.parse.interrupts import chips

HEAD = "           CPU0       CPU1       \n"
TAIL = " NMI:          0          0   Non-maskable interrupts\n ERR:          0\n"


@for_each(
    ("lines", "found"),
    [
        ("   8:  0  0  IR-IO-APIC    8-edge      rtc0\n", ["IR-IO-APIC"]),
        ("   8:  0  0  IO-APIC    8-edge      rtc0\n", ["IO-APIC"]),
        (
            " 33:  1  20 IR-PCI-MSIX-0000:01:00.0   0-edge   nvme0q0\n",
            ["IR-PCI-MSIX-0000:01:00.0"],
        ),
        (" 34:  1  2  PCI-MSI 524288-edge  IR-receiver\n", ["PCI-MSI"]),
        ("120:  0  0  DMAR-MSI    0-edge      dmar0\n", ["DMAR-MSI"]),
        ("  5:  0\n", []),
        ("x:  0 0 IR-IO-APIC\n", []),
        ("", []),
    ],
    ids=[
        "remapped",
        "plain",
        "per device",
        "name of a driver",
        "dmar",
        "short",
        "word",
        "none",
    ],
)
def test_controllers(lines: str, found: list[str]) -> None:
    assert list(chips(HEAD + lines + TAIL)) == found


def test_a_machine_with_many_processors() -> None:
    head = "".join(f"CPU{n} " for n in range(256))
    line = "9: " + "0 " * 256 + "IR-IO-APIC 9-fasteoi acpi"
    assert list(chips(f"{head}\n{line}")) == ["IR-IO-APIC"]


def test_it_stops_where_the_reader_stops() -> None:
    text = HEAD + "  1:  0  0  IR-IO-APIC  1-edge\n" * 3
    assert next(chips(text)) == "IR-IO-APIC"


@given(st.text() | st.text(alphabet="CPU0 1:IR-\n"))
def test_never_raises(text: str) -> None:
    list(chips(text))
    list(chips(HEAD + text))
