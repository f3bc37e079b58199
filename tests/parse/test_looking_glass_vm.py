"""A VM's definition gets the device, and all else stays; readers find it there."""

from __future__ import annotations

from support.rows import for_each
from vfio_doctor.parse.domain import domain_of
from vfio_doctor.parse.domain_memory import Mapping
from vfio_doctor.parse.looking_glass_vm import NAMESPACE, with_device
from vfio_doctor.parse.xml_tree import read

SIZE = 128 << 20
PLAIN = """<!--
WARNING: THIS IS AN AUTO-GENERATED FILE
-->

<domain type='kvm'>
  <name>win11</name>
  <devices>
  </devices>
</domain>
"""
WITH_PREFIX = PLAIN.replace("'kvm'", f"'kvm' xmlns:qemu='{NAMESPACE}'")
OTHERS = WITH_PREFIX.replace(
    "</domain>",
    "  <qemu:commandline>\n    <qemu:arg value='-snapshot'/>\n"
    "  </qemu:commandline>\n</domain>",
)


@for_each("text", [PLAIN, WITH_PREFIX, OTHERS, PLAIN.replace("\n", "")])
def test_the_device_is_there_and_the_rest_stays(text: str) -> None:
    made = with_device(text, SIZE)
    assert made is not None
    domain = domain_of(read(made.encode()))
    assert domain is not None
    assert domain.shared.mapped == (Mapping("/dev/kvmfr0", SIZE, True),)
    kept = [line for line in text.splitlines() if not line.startswith("<domain")]
    assert [x for x in kept if x not in made.splitlines()] == (
        [] if "\n" in text else kept
    )
    assert ("-snapshot" in made) == ("-snapshot" in text)
    # There is a device now: a second one would be in its way.
    assert with_device(made, SIZE) is None


@for_each(
    "text",
    [
        "",
        "<network/>",
        f"{PLAIN}{PLAIN}",
        PLAIN.replace("'kvm'", "'kvm' xmlns:qemu='http://elsewhere'"),
        PLAIN.replace("<devices>", "<devices><shmem name='looking-glass'/>"),
    ],
)
def test_where_it_has_no_place_nothing_is_made(text: str) -> None:
    assert with_device(text, SIZE) is None
