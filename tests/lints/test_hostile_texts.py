"""Texts that are damaged, badly encoded or odd: a clear word, the right place."""

from __future__ import annotations

from support.rows import for_each
from support.vm_hosts import facts
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.judge import Judged, judge_all
from vfio_doctor.parse.xml_edit import applied
from vfio_doctor.report.style import Look
from vfio_doctor.report.vm_text import render

BALLOON = "<memballoon model='none'/>"
SICK = EXAMPLE.replace(BALLOON, "<memballoon model='virtio'/>")
HEAD = "<?xml version='1.0' encoding='{}'?>\n"
CUT = EXAMPLE.index("<channel type")


def judged(text: str | bytes) -> Judged:
    data = text.encode() if isinstance(text, str) else text
    (found,) = judge_all(data, "vm.xml", facts())
    return found


@for_each(
    ("text", "why", "spot"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><domain>&b;</domain>', "xml-doctype", (1, 1)),
        ("\n <!DOCTYPE a SYSTEM 'file:///etc/passwd'><domain/>", "xml-doctype", (2, 2)),
        (EXAMPLE[:CUT], "xml-cut", (53, 5)),
        (EXAMPLE[: CUT + 20], "xml-cut", (53, 5)),
        (EXAMPLE + EXAMPLE, "xml-more", (69, 1)),
        (EXAMPLE.replace("win11", "win\x0011"), "xml-control", (2, 12)),
        (
            EXAMPLE.replace("win11", "größe").encode("latin-1"),
            "xml-not-encoded",
            (2, 11),
        ),
        (EXAMPLE.encode("utf-32"), "xml-encoding", None),
        (HEAD.format("windows-1252") + EXAMPLE, "xml-encoding", None),
        ("<domains>" + EXAMPLE + "</domains>", "vm-no-domain", (1, 1)),
        (b"<domain>" + b"<!-- -->" * (50 << 17) + b"</domain>", "xml-too-large", None),
    ],
)
def test_it_is_refused_in_words(
    text: str | bytes, why: str, spot: tuple[int, int] | None
) -> None:
    refused = judged(text).refused
    assert refused is not None
    at = refused.spot
    assert (refused.message.id, at and (at.line, at.column)) == (why, spot)


def test_what_is_cut_off_is_said_to_be() -> None:
    refused = judged(EXAMPLE[:CUT]).refused
    assert refused is not None
    assert dict(refused.message.params) == {"tag": "devices", "opened": 38}


@for_each(
    "data",
    [
        SICK.encode("utf-16"),
        SICK.encode("utf-16-le"),
        SICK.encode("utf-16-be"),
        SICK.replace("\n", "\r\n").encode(),
        ("\ufeff" + SICK).encode(),
        (HEAD.format("UTF-16").strip() + SICK).encode("utf-16"),
        (HEAD.format("ISO-8859-1").strip() + SICK).encode("latin-1"),
        f"<domstatus>{SICK}</domstatus>".encode(),
        SICK.replace("xmlns:qemu", "xmlns:q").replace("qemu:", "q:").encode(),
    ],
)
def test_the_same_fault_at_the_same_place(data: bytes) -> None:
    found = judged(data)
    said = [(f.lint.id, f.place.line, f.place.column) for f in found.faults]
    assert said == [("vm-memballoon", 60, 17)]
    assert found.faults[0].line.strip() == "<memballoon model='virtio'/>"


@for_each(
    "before", ["\t\t", "<!-- 東京 全角 -->", "<!-- e\u0301 -->", "    ", "<!-- 👧 -->"]
)
def test_the_caret_is_below_the_attribute(before: str) -> None:
    text = SICK.replace("    <memballoon", f"{before}<memballoon")
    look = Look(width=200)
    shown = render((judged(text),), look).splitlines()
    line, caret = shown[1], shown[2]
    assert line.endswith("model='virtio'/>")
    wide = sum(1 for char in line if char in "東京全角👧")
    apart = sum(1 for char in line if char == "\u0301")
    assert caret.index("^") == line.index("model=") + wide - apart
    assert caret.count("~") == len("model='virtio'") - 1


CURRENT = "<currentMemory unit='GiB'>16</currentMemory>"
KIB = "<currentMemory unit='KiB'>{}</currentMemory>"
ALL = 16 << 20


@for_each(
    ("old", "wrong", "cured"),
    [
        (CURRENT, CURRENT.replace("16", "8"), KIB.format(ALL)),
        (
            CURRENT,
            CURRENT.replace("16", "<!-- 16 -->8"),
            KIB.format(f"<!-- 16 -->{ALL}"),
        ),
        (CURRENT, CURRENT.replace("16", "8 <!--a-->"), KIB.format(f"{ALL}<!--a-->")),
        (CURRENT, CURRENT.replace("16", "\n  8\n  "), KIB.format(f"\n  {ALL}")),
        (CURRENT, CURRENT.replace("16", "<![CDATA[8]]>"), KIB.format(ALL)),
        (
            BALLOON,
            "<memballoon model='virtio'><!--a--><stats/><!--b--></memballoon>",
            f"{BALLOON} <!--a--> <!--b-->",
        ),
        (BALLOON, "<?a b?><memballoon/>", f"<?a b?>{BALLOON}"),
    ],
)
def test_a_cure_leaves_comments(old: str, wrong: str, cured: str) -> None:
    text = EXAMPLE.replace(old, wrong)
    found = judged(text)
    edits = [edit for fault in found.faults for edit in fault.cure]
    assert found.document is not None
    new = applied(found.document.source.data, edits).decode()
    assert new == EXAMPLE.replace(old, cured)
    assert judged(new).faults == ()


SCRIPT = "qemu-system-x86_64 -name a -M q35 -cpu host -m 8G {}\n"
ABSENT = "-device vfio-pci,host=07:00.0"


@for_each(
    ("text", "lines"),
    [
        (SCRIPT.format(ABSENT), [1]),
        (f"cat >a <<EOF\n{SCRIPT.format(ABSENT)}EOF\n{SCRIPT.format(ABSENT)}", [4]),
        (f"cat <<-'A B'\n{SCRIPT.format(ABSENT)}\tA B\n{SCRIPT.format('')}", []),
        (f"cat <<A <<\\B\n{SCRIPT.format(ABSENT)}A\n{SCRIPT}B\n{SCRIPT}", []),
        # No text, since nothing ends it.
        (f"((n = 1<<4))\n{SCRIPT.format(ABSENT)}", [2]),
        (f"tr a b <<<EOF\n{SCRIPT.format(ABSENT)}", [2]),
        (SCRIPT.format("-device vfio-pci,sysfsdev=/sys/bus/pci/devices/0:7:0.0"), []),
        (
            SCRIPT.format(
                ABSENT.replace("host=", "sysfsdev=/sys/bus/pci/devices/0000:")
            ),
            [1],
        ),
    ],
)
def test_devices_of_a_script(text: str, lines: list[int]) -> None:
    found = judge_all(text.encode(), "vm.sh", facts())
    faults = [fault for one in found for fault in one.faults]
    gone = [f for f in faults if f.lint.id == "vm-hostdev-missing"]
    assert [fault.place.line for fault in gone] == lines


def test_options_that_a_comment_cuts_off_are_said() -> None:
    text = f"qemu-system-x86_64 \\\n -M q35 \\\n# -m 8G \\\n {ABSENT} \\\n -cpu host\n"
    found = judged(text)
    assert found.faults == ()
    (unsaid,) = found.unsaid
    assert (unsaid.place.line, unsaid.words.split()[0]) == (4, "-device")


def test_what_a_default_stands_for_is_shown_as_it_is_written() -> None:
    text = SCRIPT.format("-device vfio-pci,host=${1:-01:00.0}")
    (unsaid,) = judged(text).unsaid
    assert unsaid.words == "vfio-pci,host=${1:-01:00.0}"


def test_a_card_handed_to_qemu_past_libvirt_counts() -> None:
    arg = "<qemu:arg value='-device'/>\n    <qemu:arg value='vfio-pci,host=07:00.0'/>\n"
    found = judged(EXAMPLE.replace("</qemu:commandline>", f"{arg}</qemu:commandline>"))
    assert [f.lint.id for f in found.faults] == ["vm-hostdev-missing"]
    assert "vfio-pci,host=07:00.0" in found.faults[0].line


@for_each("bus", ["0xzz", "01:00", "0x100", ""])
def test_an_address_that_is_none(bus: str) -> None:
    text = EXAMPLE.replace("bus='0x01'", f"bus='{bus}'", 1)
    (fault,) = [f for f in judged(text).faults if f.lint.id == "vm-hostdev-address"]
    assert fault.place.line == 43


PVE = "name: a\nmachine: q35\ncpu: host\nhostpci0: 0000:01:00\n"


@for_each(
    ("text", "said"),
    [
        (PVE, []),
        (f"{PVE}[PENDING]\nhostpci1: 0000:07:00\n", [6]),
        (f"{PVE}[PENDING]\nhostpci0: 0000:07:00\n", [6]),
        (f"{PVE}hostpci1: 07:00.0\n[PENDING]\ndelete: hostpci1,net0\n", []),
        (f"{PVE}[snap]\nhostpci1: 0000:07:00\n[PENDING]\nhostpci1: 08:00\n", [8]),
        (f"{PVE}[snap]\nhostpci1: 0000:07:00\n", []),
        # A part of a card of the host's own.
        (f"{PVE}hostpci1: 0000:00:02.0,mdev=i915-GVTg_V5_4\n", []),
        (f"{PVE.replace(chr(10), chr(13) + chr(10))}hostpci1: 0000:07:00\r\n", [5]),
    ],
)
def test_sections_and_parts_of_proxmox(text: str, said: list[int]) -> None:
    assert [f.place.line for f in judged(text).faults] == said
