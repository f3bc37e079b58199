"""Definitions with numbers that libvirt refuses, and others that it takes."""

from __future__ import annotations

from pathlib import Path

from vfio_doctor.lints.example import EXAMPLE

TOPOLOGY = "<topology sockets='1' dies='1' cores='4' threads='2'/>"
VCPU = "<vcpu placement='static'>8</vcpu>"
MEMORY = "<memory unit='GiB'>16</memory>"
CURRENT = "<currentMemory unit='GiB'>16</currentMemory>"
HUGE = "<hugepages/>"
PIN = "<vcpupin vcpu='1' cpuset='9'/>"
PAGE = "<hugepages><page size='{}' unit='{}'/></hugepages>"
LIMIT = "<memtune><hard_limit unit='GiB'>{}</hard_limit></memtune>"
OTHER, PART, ONE = "vm-topology-other", "vm-topology-part", "vm-topology-no-vcpu"
NONE, BLANK, EMPTY = "vm-number-none", "vm-number-blank", "vm-number-empty"
UNIT, LIST = "vm-number-unit", "vm-number-no-list"

# What is replaced, by what, and the messages; libvirt refuses those with any.
ROWS: list[tuple[str, str, tuple[str, ...]]] = [
    (TOPOLOGY, TOPOLOGY, ()),
    (TOPOLOGY, TOPOLOGY.replace("dies='1' ", ""), ()),
    (TOPOLOGY, TOPOLOGY.replace("'4'", "' 4'"), ()),
    (TOPOLOGY, TOPOLOGY.replace("'4'", "'2'"), (OTHER,)),
    (TOPOLOGY, TOPOLOGY.replace("'4'", "'8'"), (OTHER,)),
    (TOPOLOGY, TOPOLOGY.replace("'4'", "'0'"), (OTHER,)),
    (TOPOLOGY, TOPOLOGY.replace("dies='1'", "dies='2'"), (OTHER,)),
    (TOPOLOGY, TOPOLOGY.replace(" threads='2'", ""), (PART,)),
    (TOPOLOGY, "<topology cores='8'/>", (PART,)),
    (TOPOLOGY, TOPOLOGY.replace("'4'", "'four'"), (NONE,)),
    (TOPOLOGY, TOPOLOGY.replace("'4'", "'4 '"), (BLANK,)),
    (VCPU, "<vcpu current='4'>8</vcpu>", ()),
    (VCPU, "<vcpu current='8'>16</vcpu>", (OTHER,)),
    (VCPU, "<vcpu>6</vcpu>", (OTHER,)),
    (VCPU, "<vcpu> 8</vcpu>", ()),
    (VCPU, "<vcpu>8\n</vcpu>", (BLANK,)),
    (VCPU, "<vcpu><!-- all -->8</vcpu>", ()),
    (VCPU, "<vcpu>8.0</vcpu>", (NONE,)),
    (VCPU, "<vcpu/>", (EMPTY,)),
    (VCPU, "<vcpu current='all'>8</vcpu>", (NONE,)),
    (VCPU, "<vcpu cpuset='all'>8</vcpu>", (LIST,)),
    (VCPU, "<vcpu cpuset='8-9,'>8</vcpu>", ()),
    (VCPU, "", (ONE,)),
    (MEMORY, MEMORY.replace("16", " +16"), ()),
    (MEMORY, MEMORY.replace("16", "016"), ()),
    (MEMORY, MEMORY.replace("GiB", "gib"), ()),
    (MEMORY, "<memory unit='byte'>17179869184</memory>", ()),
    (MEMORY, MEMORY.replace("16", "16 GiB"), (NONE,)),
    (MEMORY, MEMORY.replace("16", "16,0"), (NONE,)),
    (MEMORY, MEMORY.replace("16", "0x10"), (NONE,)),
    (MEMORY, MEMORY.replace("16", "-16"), (NONE,)),
    (MEMORY, MEMORY.replace("16", "1e1"), (NONE,)),
    (MEMORY, MEMORY.replace("16", "١٦"), (NONE,)),
    (MEMORY, MEMORY.replace("16", "16\n  "), (BLANK,)),
    (MEMORY, MEMORY.replace("GiB", "Gig"), (UNIT,)),
    (CURRENT, CURRENT.replace("16", "1.5"), (NONE,)),
    (CURRENT, "<currentMemory unit='GiB'/>", ()),
    (VCPU, f"{LIMIT.format('20')}{VCPU}", ()),
    (VCPU, f"{LIMIT.format('20G')}{VCPU}", (NONE,)),
    (HUGE, PAGE.format("2", "MiB"), ()),
    (HUGE, PAGE.format("2M", "KiB"), (NONE,)),
    (HUGE, PAGE.format("2", "MiByte"), (UNIT,)),
    (PIN, PIN.replace("'9'", "'9-x'"), (LIST,)),
    (PIN, PIN.replace("'9'", "''"), (EMPTY,)),
    (PIN, PIN.replace("'9'", "' 9 '"), ()),
    (PIN, PIN.replace("'1'", "'a'"), (NONE,)),
    ("<os>", "<numatune><memory nodeset='node0'/></numatune><os>", (LIST,)),
]


def changed(old: str, new: str) -> str:
    """Return the example with one thing changed."""
    assert old in EXAMPLE
    return EXAMPLE.replace(old, new, 1)


# One for each machine that has no more than a node and a few processors.
SMALL = """<domain type='qemu'>
  <name>small</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <numatune><memory mode='{mode}' nodeset='{nodes}'/></numatune>
  <cputune><emulatorpin cpuset='{cpus}'/></cputune>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def small(nodes: str = "0", cpus: str = "0", mode: str = "strict") -> str:
    """Return a VM that starts anywhere, on some nodes and processors."""
    return SMALL.format(nodes=nodes, cpus=cpus, mode=mode)


def mapping(path: Path) -> str:
    """Return that VM, with a file of 4 MiB as memory that it shares."""
    memory = f"memory-backend-file,id=lg,share=on,mem-path={path},size=4M"
    words = "".join(f"<qemu:arg value='{word}'/>" for word in ("-object", memory))
    told = small().replace(
        "<domain", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
    )
    return told.replace(
        "</domain>", f"<qemu:commandline>{words}</qemu:commandline></domain>"
    )
