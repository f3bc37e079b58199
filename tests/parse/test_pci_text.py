from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.parse.device_kinds import device_kind
from vfio_doctor.parse.pci import (
    Uevent,
    is_address,
    parse_uevent,
    slot,
)

GPU = (
    "DRIVER=vfio-pci\nPCI_CLASS=30000\nPCI_ID=10DE:2482\n"
    "PCI_SUBSYS_ID=1043:8810\nPCI_SLOT_NAME=0000:08:00.0\nMODALIAS=pci:v…\n"
)


@for_each(
    ("text", "good"),
    [
        ("0000:01:00.0", True),
        ("10000:e1:00.0", True),
        ("0000:ff:1f.7", True),
        ("01:00.0", False),
        ("0000:01:20.0", False),
        ("0000:01:00.8", False),
        ("0000:01:00.0\n", False),
        ("0000:01:00.00", False),
        ("0000:0G:00.0", False),
        ("000000000:01:00.0", False),
        ("../../0000:01:00.0", False),
        ("", False),
    ],
)
def test_addresses(text: str, good: bool) -> None:
    assert is_address(text) is good


def test_slot() -> None:
    assert slot("0000:01:00.1") == "0000:01:00"


def test_uevent() -> None:
    wanted = Uevent("vfio-pci", "030000", "10de", "2482", "1043:8810")
    assert parse_uevent(GPU) == wanted


def test_uevent_without_driver_and_subsystem() -> None:
    text = "PCI_CLASS=60000\nPCI_ID=1022:1480\n"
    assert parse_uevent(text) == Uevent("", "060000", "1022", "1480", "")


@for_each(
    "text",
    [
        "",
        "PCI_ID=10DE:2482\n",
        "PCI_CLASS=\nPCI_ID=10DE:2482\n",
        "PCI_CLASS=30000\nPCI_ID=10DE2482\n",
        "PCI_CLASS=30000\nPCI_ID=10DE:24\n",
        "PCI_CLASS=1234567\nPCI_ID=10DE:2482\n",
        "PCI_CLASS=3000x\nPCI_ID=10DE:2482\n",
    ],
)
def test_uevents_of_no_pci_function(text: str) -> None:
    assert parse_uevent(text) is None


@for_each(
    ("class_", "words"),
    [
        ("030000", "graphics card (VGA)"),
        ("030200", "graphics card (3D)"),
        ("038000", "graphics card"),
        ("0c0330", "USB controller"),
        ("060400", "PCI bridge"),
        ("0c0000", "serial bus controller"),
        ("ff0000", "device of class ff00"),
        ("", "device of class "),
    ],
)
def test_kinds_in_words(class_: str, words: str) -> None:
    assert str(device_kind(class_)) == words


@given(st.text() | st.text(alphabet="PCI_CLASSID=:0123456789ABCDEFabcdef\n"))
def test_never_raises(text: str) -> None:
    parse_uevent(text)
    str(device_kind(text))
    slot(text)
    if is_address(text):
        assert len(text) <= 16


@given(
    st.integers(0, 0xFFFFFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.from_regex(r"[a-z0-9_-]{0,12}", fullmatch=True),
)
def test_what_the_kernel_prints_is_read_back(
    class_: int, vendor: int, device: int, driver: str
) -> None:
    line = f"DRIVER={driver}\n" if driver else ""
    text = f"{line}PCI_CLASS={class_:04X}\nPCI_ID={vendor:04X}:{device:04X}\n"
    wanted = Uevent(driver, f"{class_:06x}", f"{vendor:04x}", f"{device:04x}", "")
    assert parse_uevent(text) == wanted
