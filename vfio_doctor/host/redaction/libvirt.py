"""libvirt: qemu.conf and definitions of VMs."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import arguments, forms
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.names import FIELD
from vfio_doctor.host.redaction.paths import path
from vfio_doctor.parse.qemu_conf import KINDS, WORDS
from vfio_doctor.parse.qemu_options import json_fields
from vfio_doctor.parse.xml_tree import Refused, read
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

# What a setting takes ends at 31 or 32 bits.
LARGE = ((1 << 31, "1000000"), (1 << 32, str(1 << 31)))
_ACCOUNTS = {"user": True, "group": False}
_PLAIN = listed(
    """
    cgroup_device_acl namespaces security_driver security_default_confined
    security_require_confined dynamic_ownership remember_owner
    clear_emulator_capabilities relaxed_acs_check allow_disk_format_probing
    max_files max_processes cgroup_controllers set_process_name mac_filter
    seccomp_sandbox hugetlbfs_mount nvram memory_backing_dir swtpm_user swtpm_group
    vnc_allow_host_audio nographics_allow_host_audio
    stdio_handler sched_core max_core
    """
)
_SETTING = re.compile(r"(#?)([A-Za-z_][\w.-]*)([ \t]*=[ \t]*)(.*)", re.DOTALL)
_STRING = re.compile(
    r'"""(.*?)"""|"([^"\n]*)"|\'([^\'\n]*)\'|#.*|[^\s\[\],"\'#=]+', re.DOTALL
)
_WORDS = frozenset(("unlimited", *(word for words in WORDS.values() for word in words)))


def qemu_conf(text: str, names: Names) -> str:
    """Return qemu.conf: the settings that decide who may open what."""
    out: list[str] = []
    inside = _Open()
    for line in text.split("\n"):
        shown, inside = _conf_line(line, inside, names)
        out.append(shown)
    return "\n".join(out)


class _Open(NamedTuple):
    """The list that is still open behind a line; ``mark``: it is commented out."""

    key: str = ""
    mark: str = ""


def _conf_line(line: str, inside: _Open, names: Names) -> tuple[str, _Open]:
    """Return a line and the setting whose list is still open behind it."""
    if inside.key and line.startswith(inside.mark):
        body = line.removeprefix(inside.mark)
        if body.lstrip().startswith("#"):
            return f"{inside.mark}#", inside
        shown = f"{inside.mark}{_strings(body, inside.key, names)}"
        return shown, _Open() if "]" in body else inside
    found = _SETTING.match(line)
    if found is None:
        comment = line.lstrip().startswith("#")
        return ("#" if comment else _strings(line, "", names)), _Open()
    mark, key, gap, value = found.groups()
    is_known = key in _ACCOUNTS or key in _PLAIN
    if not is_known and mark:
        return "#", _Open()
    shown_key = key if is_known or key in KINDS else names.name("variable", key)
    shown = f"{mark}{shown_key}{gap}{_strings(value, key, names)}"
    is_open = value.startswith("[") and "]" not in value
    return shown, _Open(key, mark) if is_open else _Open()


def _strings(text: str, key: str, names: Names) -> str:
    def put(found: re.Match[str]) -> str:
        quoted = next((group for group in found.groups() if group is not None), None)
        if quoted is None:
            return _unquoted(found.group(), names)
        quote = found.group()[: (len(found.group()) - len(quoted)) // 2]
        return f"{quote}{_conf_value(key, quoted, names)}{quote}"

    return _STRING.sub(put, text)


def _unquoted(text: str, names: Names) -> str:
    """Return what stands without quotes: a comment, a number, or a mistake."""
    if text.startswith("#"):
        return "#"
    digits = text[text[:1] in ("-", "+") :]
    if digits.isdecimal():
        return text if forms.is_number(digits) else _as_large(digits)
    return names.hidden(text)


def _as_large(digits: str) -> str:
    """Return a number for a long one that libvirt takes or refuses as well."""
    number = int(digits[:20])
    return next((shown for below, shown in LARGE if number < below), str(1 << 64))


def _conf_value(key: str, text: str, names: Names) -> str:
    if key in _ACCOUNTS:
        return names.account(text) if _ACCOUNTS[key] else names.group(text)
    if key in _PLAIN:
        if text in _WORDS or forms.is_number(text):
            return text
        return path(text, names) if text.startswith("/") else names.hidden(text)
    return names.hidden(text)


# Elements whose text is kept, and attributes that are, by their values' forms.
_ARGUMENTS = ("qemu:arg", "arg")
_TEXTS = listed("memory currentMemory hard_limit vcpu emulator size")
_GONE = listed("metadata description title secret auth")
_ELEMENTS = listed(
    """
    domain name uuid memory currentMemory memoryBacking hugepages page locked source
    memtune hard_limit
    access allocation nosharepages discard vcpu vcpus cputune vcpupin emulatorpin
    iothreads os type loader nvram boot bootmenu smbios bios firmware features acpi
    apic pae kvm hidden hyperv relaxed vapic spinlocks vpindex runtime synic stimer
    reset vendor_id frequencies reenlightenment tlbflush ipi evmcs ioapic smm vmport
    cpu mode model vendor topology cache feature maxphysaddr numa cell clock timer
    on_poweroff on_reboot on_crash pm suspend-to-mem suspend-to-disk devices
    emulator disk driver target readonly address controller master interface mac
    serial port protocol console channel input graphics listen image gl sound audio
    codec video acceleration hostdev rom redirdev watchdog memballoon rng backend
    tpm shmem size msi server filesystem binary alias iommu seclabel panic vsock cid
    qemu:commandline qemu:arg qemu:override qemu:device qemu:frontend qemu:property
    qemu:capabilities qemu:del commandline arg memtune hard_limit soft_limit emulatorpin
    iothreadpin numatune memnode
    """
)
_ATTRIBUTES = listed(
    """
    type unit placement current mode match check fallback policy name sockets dies
    cores threads clusters level state value migratable bits offset tickpolicy
    present enabled index model domain bus slot function multifunction managed
    device cache io discard role heads vgamem ram vram primary accel3d autoport port
    listen keymap readonly secure firmware arch machine dev order nodeset size
    vectors ioeventfd iommu_platform ats driver caching_mode intremap eim aw_bits on
    xmlns xmlns:qemu iommufd limit cpuset retries compression rendernode enable
    detect_zeroes queues bar cellid
    """
)
_XML_WORDS = listed(
    """
    kvm qemu hvm yes no on off static auto KiB MiB GiB k M G bytes host-passthrough
    host-model custom exact full none require disable forbid optional force utc
    localtime variable rtc pit hpet hypervclock tsc kvmclock catchup delay native
    discard pci pcie-root pcie-root-port pcie-to-pci-bridge usb scsi virtio
    virtio-scsi sata ide nvme file block network volume dir nbd disk cdrom lun
    floppy raw qcow2 vmdk unsafe writeback writethrough directsync threads io_uring
    unmap ignore qemu-xhci nec-xhci ich9 piix3-uhci subsystem capabilities mdev vfio
    vfio-pci user bridge direct ethernet hostdev spice vnc dbus sdl egl-headless
    address socket ivshmem ivshmem-plain ivshmem-doorbell virtio-serial isa-serial
    isa-fdc pty unix tcp spicevmc qemu-vdagent ps2 tablet mouse keyboard evdev
    passthrough ich6 ich7 ac97 hda-duplex hda-micro pulseaudio jack pipewire qxl vga
    cirrus bochs ramfb emulator tpm-tis tpm-crb 1.2 2.0 virtio-transitional
    virtio-non-transitional intel smmuv3 amd host shared private memfd anonymous
    hugepages immediate ondemand x86_64 aarch64 q35 pc pflash rom efi bios uefi
    destroy restart preserve hd fd random inject-nmi poweroff reset pause dump
    invtsc topoext vmx svm x2apic hypervisor kvm_hidden e1000 e1000e rtl8139 split
    emulate 9p virtiofs mapped squash client server sp vcpu io smp EPYC EPYC-Rome
    EPYC-Milan Skylake-Client Haswell Nehalem
    http://libvirt.org/schemas/domain/qemu/1.0 looking-glass scream-ivshmem system
    session dac selinux apparmor strict preferred interleave restrictive
    """
)
_MARKUP = re.compile(
    r"<!--.*?(?:-->|$)|<!\[CDATA\[.*?(?:\]\]>|$)|<[?!][^>]*>?|<[^>]*>?|[^<]+", re.DOTALL
)
_ATTRIBUTE = re.compile(r"([\w:.-]+)(\s*=\s*)('[^']*'|\"[^\"]*\")")
# What only one attribute says, by its form.
_CPUS = re.compile(r"\d{1,4}(?:-\d{1,4})?(?:,\^?\d{1,4}(?:-\d{1,4})?){0,15}")
_FORMS = {
    "machine": re.compile(
        r"(?:pc|q35|virt)(?:-(?:i440fx|q35))?(?:-\d{1,2}(?:\.\d{1,2}){1,2})?"
        r"|pc-(?:i440fx|q35)-(?:xenial|bionic|focal|jammy|noble|plucky|questing)"
        r"(?:-hpb|-v2)?"
        r"|(?:(?:pc-(?:i440fx|q35)|virt)-)?rhel\d{1,2}(?:\.\d{1,2}){1,2}"
    ),
    "cpuset": _CPUS,
    "nodeset": _CPUS,
    "dev": re.compile(r"[hsv]d[a-z]"),
}
# How much memory a VM gets; in KiB that is a longer number than others may be.
_AMOUNTS = ("memory", "currentMemory", "hard_limit", "soft_limit")
_AMOUNT = re.compile(r"\d{1,10}")


class _Inside:
    """Where in a definition the reading is: open elements, and what is dropped."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.gone = 0


def domain(text: str, names: Names) -> str:
    """Return a VM's definition: what passthrough depends on; the rest is hidden.

    One that is no XML stays none, and one of something else stays something else.
    """
    found = read(text.encode("utf-8", "surrogateescape"))
    lines = "\n" * text.count("\n")
    if isinstance(found, Refused):
        return ("<domain>" if found.broken else "<hidden/>") + lines
    inside = _Inside()
    kept = "".join(_markup(piece, inside, names) for piece in _MARKUP.findall(text))
    return kept if kept.strip() else f"<hidden/>{lines}"


def _markup(piece: str, inside: _Inside, names: Names) -> str:
    if not piece.startswith("<"):
        return _lost(piece) if inside.gone else _text(piece, inside, names)
    if piece.startswith(("<!", "<?")):
        return _lost(piece)
    lines = "\n" * piece.count("\n")
    if piece.startswith("</"):
        return _closed(piece, lines, inside)
    return _opened(piece, lines, inside, names)


def _lost(piece: str) -> str:
    """Return what is left of a part that goes: its lines, and a name of kvmfr."""
    named = f"<!-- {FIELD} -->" if FIELD in piece else ""
    return named + "\n" * piece.count("\n")


def _closed(piece: str, lines: str, inside: _Inside) -> str:
    name = piece[2:].rstrip(">").strip()
    if inside.open and inside.open[-1] == name:
        inside.open.pop()
    if inside.gone:
        inside.gone -= 1
        return lines
    return f"</{name}>{lines}" if name in _ELEMENTS else lines


def _opened(piece: str, lines: str, inside: _Inside, names: Names) -> str:
    body = piece.strip("<>").rstrip("/")
    name = (body.split(None, 1) or [""])[0]
    empty = piece.rstrip(">").endswith("/")
    dropped = bool(inside.gone) or name not in _ELEMENTS or name in _GONE
    if not empty:
        inside.open.append(name)
        inside.gone += dropped
    if dropped:
        names.leave_out("element of a VM's definition")
        return _lost(piece)
    rest = body[len(name) :]
    shown = "".join(
        _attribute(name, inside, found, names) for found in _ATTRIBUTE.finditer(rest)
    )
    return f"<{name}{shown}{'/' * empty}>{lines}"


def _attribute(
    element: str, inside: _Inside, found: re.Match[str], names: Names
) -> str:
    key, _, quoted = found.groups()
    quote, value = quoted[0], quoted[1:-1]
    shown = key if key in _ATTRIBUTES else names.name("variable", key)
    inner = _attribute_value(element, inside, key, value, names)
    return f" {shown}={quote}{inner}{quote}"


def _attribute_value(
    element: str, inside: _Inside, key: str, value: str, names: Names
) -> str:
    if element in _ARGUMENTS and key == "value":
        return _qemu(value, names)
    source = element == "source" and inside.open[-2:-1] != ["hostdev"]
    if key in _ATTRIBUTES and not (
        source and key in ("name", "dev", "bridge", "network")
    ):
        form = _FORMS.get(key)
        if _is_plain(value) or (form and form.fullmatch(value)):
            return value
        if element in ("source", "access", "loader", "nvram") and value.startswith("/"):
            return path(value, names)
    return names.hidden(value)


def _is_plain(text: str) -> bool:
    return text in _XML_WORDS or forms.is_number(text)


def _text(text: str, inside: _Inside, names: Names) -> str:
    body = text.strip()
    if not body:
        return text
    before, after = text.split(body, 1)
    return (
        before
        + _element_text(inside.open[-1] if inside.open else "", body, names)
        + after
    )


def _element_text(element: str, body: str, names: Names) -> str:
    if element in _AMOUNTS and _AMOUNT.fullmatch(body):
        return body
    if element == "size" and _AMOUNT.fullmatch(body) and int(body).bit_count() == 1:
        return body
    if element == "name":
        return names.name("vm", body)
    if element == "uuid":
        return forms.in_parts(body, names)
    if element in _TEXTS | {"type", "size", "vcpu"} and _is_plain(body):
        return body
    if element in ("emulator", "loader", "nvram") and body.startswith("/"):
        return path(body, names)
    return names.hidden(body)


_QEMU_KEYS = listed(
    "id mem-path size share memdev driver host bus addr x-vga multifunction bar"
    " qom-type prealloc romfile rombar guest-reset evdev"
)
_SIZE = re.compile(r"\d{1,12}[bkmgtBKMGT]?")
_QEMU_WORDS = listed(
    "-object -device -cpu -machine -global -set memory-backend-file ivshmem-plain"
    " ivshmem-doorbell vfio-pci host on off looking-glass pcie.0 yes no true false"
    " ivshmem shmmem-shmem0 shmem0 memory-backend-memfd -hv-evmcs invtsc=on"
    " pcie-root-port input-linux"
)


def qemu_word(text: str, names: Names) -> str:
    """Return a word of a command line of QEMU's, quoted for a shell."""
    shown = html.unescape(_qemu(text, names))
    return f"'{shown}'" if shown.startswith("{") else shown


def _qemu(text: str, names: Names) -> str:
    """Return an argument of QEMU: known options of known devices."""
    if text.startswith("{"):
        return _qemu_json(text, names)
    return ",".join(_qemu_item(item, names) for item in text.split(","))


def _qemu_json(text: str, names: Names) -> str:
    """Return an object of known keys; written anew, in the quotes that XML takes."""
    fields = json_fields(html.unescape(text))
    if fields is None:
        # What QEMU cannot read stays so.
        return "{" + names.hidden(text[1:])
    shown = (
        f"{_quoted(key if key in _QEMU_KEYS else names.hidden(key))}:"
        f"{_qemu_value(key, value, names)}"
        for key, value in fields.items()
    )
    return f"{{{','.join(shown)}}}"


def _qemu_value(key: str, value: object, names: Names) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false"}.get(bool(value), "null")
    if isinstance(value, int) and _is_size(key, str(value)):
        return str(value)
    if not isinstance(value, str):
        return _quoted(names.hidden(str(value)))
    return _quoted(_qemu_item(f"{key}={value}", names).partition("=")[2])


def _is_size(key: str, text: str) -> bool:
    """Tell whether this is a number; one of bytes is longer than others may be."""
    return forms.is_number(text) or (key == "size" and bool(_SIZE.fullmatch(text)))


def _quoted(text: str) -> str:
    return f"&quot;{text}&quot;"


def _qemu_item(item: str, names: Names) -> str:
    key, equals, value = item.partition("=")
    if not equals:
        return item if item in _QEMU_WORDS else names.hidden(item)
    shown = key if key in _QEMU_KEYS else names.hidden(key)
    if value in _QEMU_WORDS or _is_size(key, value) or re.fullmatch(forms.BDF, value):
        return f"{shown}={value}"
    if key in ("mem-path", "evdev") and value.startswith("/"):
        return f"{shown}={path(value, names)}"
    return f"{shown}={names.hidden(value)}"


def client_configuration(text: str, names: Names) -> str:
    """Return the Looking Glass client's configuration: sections, shared memory."""
    return "\n".join(_client_line(line, names) for line in text.split("\n"))


_CLIENT_KEYS = listed(
    "shmFile shmfile shmDevice shmdevice renderer allowDMA framePollInterval"
    " cursorPollInterval fullScreen"
    " size width height maximize borderless vsync enable noScreensaver host port"
)


def _client_line(line: str, names: Names) -> str:
    body = line.strip()
    if not body or body[0] in "#;":
        return forms.comment(body, body[0]) if body else ""
    if re.fullmatch(r"\[(?:app|lgmp|win|input|spice|audio|wayland|egl|opengl)\]", body):
        return body
    if body.startswith("["):
        return "[]"  # it ends the section before
    key, equals, value = (part.strip() for part in body.partition("="))
    if not equals or key not in _CLIENT_KEYS:
        return names.hidden(body)
    if value.startswith("/"):
        return f"{key}={path(value, names)}"
    if forms.is_number(value) or arguments.worded(value, names) == value:
        return f"{key}={value}"
    if value in ("127.0.0.1", "::1", "localhost"):
        return f"{key}={value}"
    return f"{key}={names.hidden(value)}"
