"""Files of the kernel and the firmware: processors, interrupts, tables, variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import forms
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.parse import iomem

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

_CPU_FIELDS = listed(
    """
    processor vendor_id model stepping microcode siblings apicid fpu wp cpu_family
    cpu_cores core_id physical_id address_sizes cpuid_level clflush_size
    cache_alignment CPU_implementer CPU_architecture CPU_variant CPU_part
    CPU_revision initial_apicid fpu_exception cache_size
    """
)
_CPU_FLAGS = listed(
    """
    fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush
    mmx fxsr sse sse2 ss ht tm pbe syscall nx pdpe1gb rdtscp lm constant_tsc art
    arch_perfmon rep_good nopl xtopology nonstop_tsc cpuid aperfmperf pni pclmulqdq
    monitor ds_cpl vmx smx est tm2 ssse3 fma cx16 xtpr pdcm pcid sse4_1 sse4_2
    x2apic movbe popcnt aes xsave avx f16c rdrand lahf_lm cmp_legacy svm extapic
    cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs skinit wdt tce topoext
    hypervisor tpr_shadow vnmi flexpriority ept vpid ept_ad fsgsbase tsc_adjust bmi1
    avx2 smep bmi2 erms invpcid npt lbrv svm_lock nrip_save tsc_scale vmcb_clean
    flushbyasid decodeassists pausefilter pfthreshold avic v_vmsave_vmload vgif
    x2avic v_spec_ctrl tsc_deadline_timer ibrs ibpb stibp arch_capabilities md_clear
    smap xsaveopt xsavec xgetbv1 clzero sev sev_es sme
    """
)
_VENDORS = listed(
    "GenuineIntel AuthenticAMD HygonGenuine CentaurHauls Shanghai IBM/S390"
)
_CPU_WORDS = listed(
    """
    intel(r) intel core(tm) core xeon(r) xeon pentium(r) celeron(r) atom(tm) ultra
    amd ryzen threadripper epyc athlon fx(tm) fx a4 a6 a8 a10 ai max pro cpu @ gen
    th with radeon graphics processor virtual qemu version common kvm hygon
    phenom(tm) opteron(tm) embedded gold silver platinum bronze six-core eight-core
    quad-core dual-core 4-core 6-core 8-core 10-core 12-core 14-core 16-core 24-core
    32-core 64-core 96-core vega mobile ii x2 x4 x6 m the tm n hx hs
    """
)
_CPU_CODE = re.compile(
    r"i[3579](?:-\d{3,5}(?:[A-Z]{1,2}\d?[A-Z]?)?)?|[A-Z]{0,2}\d{1,5}(?:[A-Z]{1,2}\d?[A-Z]?)?(?:-v?\d)?|v\d"
    r"|\d{1,2}(?:\.\d{1,3})?(?:GHz|MHz)|E[357]-\d{4}|\d{1,2}(?:st|nd|rd|th)|\d(?:\.\d){1,3}\+?"
)


def cpuinfo(text: str, names: Names) -> str:
    """Return /proc/cpuinfo: model, family and the features a reader asks about."""
    return "".join(_cpu_line(line, names) for line in text.splitlines(keepends=True))


def _cpu_line(line: str, names: Names) -> str:
    key, colon, value = line.rstrip("\n").partition(":")
    end = "\n" if line.endswith("\n") else ""
    if not colon:
        # It ends the block of a processor, whatever it is.
        return end
    shown = _cpu_value(key.strip(), value, names)
    return "" if shown is None else f"{key}:{shown}{end}"


def _cpu_value(key: str, value: str, names: Names) -> str | None:
    plain = key.replace(" ", "_")
    if key in ("flags", "Features", "features"):
        return " " + " ".join(word for word in value.split() if word in _CPU_FLAGS)
    if key == "model name":
        return " " + " ".join(_cpu_word(word, names) for word in value.split())
    if key == "vendor_id":
        body = value.strip()
        return f" {body if body in _VENDORS else names.name('device', body)}"
    return f" {forms.in_parts(value.strip(), names)}" if plain in _CPU_FIELDS else None


def _cpu_word(word: str, names: Names) -> str:
    known = word.lower() in _CPU_WORDS or _CPU_CODE.fullmatch(word)
    return word if known else names.name("device", word)


_CHIP = re.compile(
    r"(?:IR-)?(?:IO-APIC|PCI-MSIX?|DMAR-MSI|HPET[-_]MSI|IOMMU-MSI|VMD-MSI|XT-PIC|AMD-Vi"
    rf"|ITS-MSI|GICv[23]|GPIO)(?:-(?:edge|level|fasteoi|{forms.BDF}))?"
)
# What a reader goes by, whatever follows.
_CHIP_HEADS = ("IR-", "IO-APIC", "PCI-MSI")


def interrupts(text: str, names: Names) -> str:
    """Return /proc/interrupts: numbers and controllers, not whose they are."""
    head, newline, rest = text.partition("\n")
    columns = len(head.split())
    shown = "".join(f"{'CPU' + str(n):>11}" for n in range(columns))
    lines = [_interrupt(line, columns) for line in rest.split("\n")]
    return f"{shown}{newline}" + "\n".join(lines)


def _interrupt(line: str, columns: int) -> str:
    words = line.split(None, columns + 1)
    if len(words) <= columns + 1 or not words[0].rstrip(":").isdecimal():
        return "" if len(words) <= columns else " 0:" + " 0" * columns
    chip = _chip(words[columns + 1].split()[0])
    return f"{words[0][:7]}{' 0' * columns} {chip}"


def _chip(text: str) -> str:
    if _CHIP.fullmatch(text):
        return text
    head = next((head for head in _CHIP_HEADS if text.startswith(head)), "")
    return f"{head}hidden"


_MEMORY = re.compile(r"(\w+):\s+\d{1,12}(?: kB)?")
_AMOUNTS = listed(
    """
    MemTotal MemFree MemAvailable SwapTotal SwapFree HugePages_Total HugePages_Free
    HugePages_Rsvd HugePages_Surp Hugepagesize Hugetlb AnonHugePages ShmemHugePages
    FileHugePages DirectMap4k DirectMap2M DirectMap1G CmaTotal CmaFree Shmem
    """
)


def memory(text: str, names: Names) -> str:
    """Return /proc/meminfo: amounts under the kernel's own names."""
    lines = text.splitlines()
    found = [(line, _MEMORY.fullmatch(line)) for line in lines]
    kept = [line for line, match in found if match and match[1] in _AMOUNTS]
    return "".join(f"{line}\n" for line in kept)


_CONFIG = re.compile(r"CONFIG_([A-Z0-9_]{1,60})=([ymn]|\d{1,9})")
_ASKED = (
    "KVM",
    "VFIO",
    "IOMMU",
    "DMAR",
    "IRQ_REMAP",
    "MODULE_SIG",
    "MODVERSIONS",
    "LOCKDOWN",
    "SIMPLEDRM",
    "SYSFB",
)


def kernel_config(text: str, names: Names) -> str:
    """Return a kernel's configuration: the switches of this field."""
    lines = text.splitlines()
    kept = [
        line
        for line in lines
        if (found := _CONFIG.fullmatch(line))
        and any(word in found[1] for word in _ASKED)
    ]
    names.leave_out("line of a kernel's configuration", len(lines) - len(kept))
    return "".join(f"{line}\n" for line in kept)


def acpi_table(data: bytes, names: Names) -> bytes:
    """Return a DMAR table without the maker's marks and what it says of devices.

    Signature, length, flags and the kinds and sizes of its structures stay.
    """
    kept = bytearray(data)
    kept[8:36] = bytes(len(kept[8:36]))
    at, end = 48, min(int.from_bytes(data[4:8], "little"), len(data))
    while at < end:
        size = int.from_bytes(data[at + 2 : at + 4], "little")
        if size < 4 or at + size > end:
            break
        kept[at + 4 : at + size] = bytes(size - 4)
        at += size
    kept[38:48] = bytes(len(kept[38:48]))
    kept[at + 4 :] = bytes(len(kept[at + 4 :]))
    return (
        bytes(kept) if data[:4] == b"DMAR" else data[:4] if data[:4].isalnum() else b""
    )


def firmware_variable(data: bytes, names: Names) -> bytes:
    """Return a variable of the boot loader: four bytes, then UTF-16."""
    text = data[4:].decode("utf-16-le", "replace")
    return data[:4] + forms.in_parts(text, names).encode("utf-16-le", "replace")


def switch(data: bytes, names: Names) -> bytes:
    """Return a variable of one byte behind its attributes."""
    return data if len(data) <= 5 else data[:5] + bytes(1)


def capability(text: str, names: Names) -> str:
    """Return a register of an IOMMU unit: what the chipset can do."""
    known = re.fullmatch(
        r"\s*(?:0x)?[0-9a-f]{1,16}\s*|[0-9a-f]{1,16}:[0-9a-f]{1,16}\s*", text
    )
    return text if known else forms.in_parts(text, names)


_KEYS = re.compile(r"(?:[0-9a-f]{1,16} ){0,15}[0-9a-f]{1,16}\n?")
# What tells a keyboard from a mouse or a button: the last 32 keys, without Reserved.
_ROWS = 0xFFFFFFFE


def keys(text: str, names: Names) -> str:
    """Return which keys an input device has, as far as that tells a keyboard."""
    if not _KEYS.fullmatch(text):
        return "0\n"
    return f"{int(text.split()[-1], 16) & _ROWS:x}\n"


_ADDRESSES = re.compile(
    r" {0,32}[0-9a-f]{1,16}-[0-9a-f]{1,16} : "
    rf"(?:{forms.BDF}|PCI Bus [0-9a-f]{{4}}:[0-9a-f]{{2}}|PCI [A-Z]+ [0-9a-f]{{4}}|"
    rf"(?:{'|'.join(iomem.FRAMEBUFFERS)})(?:\.[0-9])?|vfio-pci)"
)


def addresses(text: str, names: Names) -> str:
    """Return /proc/iomem: ranges of PCI and of the firmware's framebuffer."""
    lines = text.splitlines()
    kept = [line for line in lines if _ADDRESSES.fullmatch(line)]
    names.leave_out("range of memory", len(lines) - len(kept))
    return "".join(f"{line}\n" for line in kept)
