"""Kernel arguments: values of known parameters, and known words without a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import forms, paths
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.public import WORDS, is_module
from vfio_doctor.host.redaction.public_modules import FIELD, PARAMETERS
from vfio_doctor.parse import cmdline
from vfio_doctor.parse.known_arguments import KNOWN, is_ids_elsewhere, right_name

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

_WORDS = re.compile(r'[ \t\n\r\v\f]+|(?:[^" \t\n\r\v\f]|"[^"]*(?:"|$))+')
# Words that stand alone, on almost every machine.
FLAGS = listed(
    """
    no_timer_check quiet splash rhgb ro rw nomodeset debug noapic noacpi nosmt
    nosplash nokaslr nopti norandmaps noresume nowatchdog nohibernate nolapic nosmap
    nosmep mitigations ipv6 single emergency rescue auto skew_tick threadirqs
    nointremap nox2apic nomce plymouth.enable fsck.mode text init vga quiet_success
    rootwait emergency.target rescue.target noiommu x2apic_phys maybe-ubiquity
    systemd.unified_cgroup_hierarchy iommu intel_iommu amd_iommu nokvm
    """
)
# Each value is a word of a list or a number, or it is hidden.
WORDED = listed(
    """
    panic acpi acpi_backlight acpi_enforce_resources acpi_osi acpi_rev_override
    amd_pstate amdgpu audit apparmor arm-smmu clocksource cma console
    cpufreq.default_governor crashkernel cgroup_enable cgroup_disable
    default_hugepagesz drm.edid_firmware earlycon earlyprintk edd efi efifb elevator
    fbcon fips hpet hugepages hugepagesz i915.enable_gvt i915.enable_guc
    i915.force_probe i915.modeset idle initcall_blacklist init_on_alloc init_on_free
    intel_idle.max_cstate intel_pstate intremap iomem ima_appraise isolcpus
    irqaffinity kpti kvm kvm-arm.mode libata.force l1tf lockdown loglevel
    log_buf_len lsm mce mds mem mem_sleep_default memmap mitigations
    module.sig_enforce modeset net.ifnames biosdevname nmi_watchdog
    no_console_suspend nohz nohz_full noirqdebug nouveau.modeset nosmt numa
    numa_balancing nvidia-drm.modeset nvidia-drm.fbdev nvidia_drm.modeset
    nvidia_drm.fbdev nvme_core.default_ps_max_latency_us nvme_load pci
    pcie_acs_override pcie_aspm pcie_ports pcie_port_pm plymouth.enable
    plymouth.ignore-serial-consoles preempt printk.devkmsg processor.max_cstate pti
    random.trust_cpu random.trust_bootloader rcu_nocbs reboot rd.auto rd.plymouth
    rd.systemd.show_status rd.udev.log_level rd.udev.log_priority rd.luks rd.lvm
    rd.md rd.dm resume_offset rhgb rootfstype rootdelay rootflags security selinux
    enforcing show_rendersdesktop slab_nomerge spectre_v2 spec_store_bypass_disable
    split_lock_detect swiotlb sysrq_always_enabled systemd.show_status systemd.unit
    systemd.unified_cgroup_hierarchy systemd.gpt_auto threadirqs
    transparent_hugepage tsc tsx tsx_async_abort udev.log_level udev.log_priority
    usbcore.autosuspend vfio_iommu_type1.allow_unsafe_interrupts vga video
    vfio.enable_unsafe_noiommu_mode iommufd.allow_unsafe_interrupts
    vt.global_cursor_default vt.handoff zswap.compressor zswap.enabled
    zswap.max_pool_percent zswap.zpool zfs.zfs_arc_max composefs vt.color
    bluetooth.disable_ertm module_blacklist modprobe.blacklist modules_load
    rd.modules_load rd.driver.blacklist rd.driver.pre rd.driver.post rd.driver_pre
    driver_override systemd.mask systemd.wants systemd.cpu_affinity
    workqueue.power_efficient xe.force_probe xe.modeset
    """
)
# These hold paths: of the kernel, its image, the deployment.
PATHS = frozenset(("BOOT_IMAGE", "initrd", "init", "ostree", "rdinit", "subvol"))
# These name a disk, as a UUID, a label, a device or something of one's own.
DISKS = listed(
    """
    root resume boot mount.usr rd.luks.name rd.luks.uuid luks.uuid luks.name
    rd.md.uuid rd.lvm.lv rd.lvm.vg cryptdevice luksroot zfs bootfs
    """
)
# Their names say nothing; their values may be addresses, hosts, keys, anything.
NAMED = listed(
    """
    ip nameserver rd.luks.key rd.luks.options rd.neednet netroot nfsroot bootdev
    ifname iscsi_initiator rd.iscsi.initiator rd.iscsi.target.name rd.iscsi.username
    rd.iscsi.password netconsole systemd.hostname systemd.machine_id
    systemd.set_credential systemd.set_credential_binary systemd.setenv systemd.run
    inst.ks inst.repo inst.stage2 cryptkey keyfile luks.options luks.key ds
    cloud-config-url coreos.inst.ignition_url ignition.config.url vconsole.keymap
    vconsole.font rd.vconsole.keymap locale.LANG LANG KEYTABLE bridge bond team vlan
    """
)
_ITEM_WORDS = listed(
    """
    on off auto yes no true false force y n 0 1 pt nopt soft strict lazy full none
    all downstream multifunction efifb vesafb simplefb sysfb
    simpledrm_platform_driver_init sysfb_init radeonfb vesa tty0 tty1 tty2 hvc0
    ttyS0 ttyS1 ttyAMA0 ttyUSB0 noresize madvise always never performance powersave
    schedutil ondemand passive active guided nosmt noaer nommconf noats nocrs
    realloc pcie_bus_safe pcie_bus_perf compression zstd zlib lzo lz4 deflate z3fold
    zsmalloc relatime noatime discard async btrfs ext4 xfs zfs f2fs bcachefs vfat
    tmpfs overlay erofs nofail ssd subvol subvolid current vendor native lockdown
    yama integrity apparmor selinux bpf landlock tomoyo capability deep s2idle
    shallow kernel graphical.target multi-user.target disable enable disabled
    enabled ids igfx panic warn fatal ratelimit verbose debug info managed_irq domain
    Windows Linux hpet tsc acpi_pm kvm-clock rw ro reserve 2M 1G 1GB 2MB gvt reset
    sha1 confidentiality dbgp keep earlyshell
    """
)
_SEPARATED = re.compile(r"[^,:;=@/+.()|]+|[,:;=@/+.()|]")
# What parts the items of a module's parameter, and what is written in place of it.
_PARTS = re.compile(r"([,;/])")
_HEX = re.compile(r"(?i)\b0x")
_ITEMS = re.compile(r"([,;|()]+)")
# A card's modes and memory's bounds have letters between, and are longer.
_DIGITS = re.compile(r"[\d.:/+@-]+")
_IDS = re.compile(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}")
_DISK_HEADS = ("UUID", "PARTUUID", "LABEL", "PARTLABEL", "ID", "ZFS", "luks")
# How kstrtobool reads a value: by its first letters only.
_BOOLEAN = re.compile(r"(?i)on|of|[ytnf10]")
VARIABLES = listed("kernelopts tuned_params tuned_initrd early_initrd")


def line(text: str, names: Names) -> str:
    """Return a line of arguments; blanks, quotes and ``--`` stay where they were."""
    return _WORDS.sub(lambda found: _word_or_blank(found.group(), names), text)


def words(texts: tuple[str, ...], names: Names) -> tuple[str, ...]:
    """Return arguments that stand in a list."""
    return tuple(word(text, names) for text in texts)


def _word_or_blank(text: str, names: Names) -> str:
    return text if text[0] in cmdline.BLANK else word(text, names)


def word(text: str, names: Names) -> str:
    """Return one word as the kernel splits it, hidden as far as it is not known."""
    if text.strip('"') == cmdline.END:
        return text
    if text.startswith("$"):
        plain = text.strip("${}")
        return text if plain in VARIABLES else f"${names.name('variable', plain)}"
    found = cmdline.argument(text)
    if found.value is None:
        return _quoted(text, found.key, bare(found.key, names))
    shown = key(found.key, names)
    if is_ids_elsewhere(cmdline.plain(found.key).lower(), found.value):
        shown = found.key
    if '"' in found.value:
        # Its quotes keep blanks inside; a stand-in has none.
        return f"{shown}={names.hidden(found.value)}"
    kept = value(found.key, found.value, names)
    return _quoted(text, found.value, kept, found.key, shown)


def _quoted(raw: str, old: str, new: str, old_key: str = "", new_key: str = "") -> str:
    """Return the raw word with key and value replaced, its quotes where they were."""
    head, tail = raw, ""
    if old_key:
        opening = '"' if raw.startswith('"') else ""
        rest = raw[len(opening) + len(old_key) + 1 :]
        head = f"{opening}{new_key}="
        tail = rest
    else:
        head, tail = "", raw
    opening = '"' if tail.startswith('"') else ""
    closing = '"' if len(tail) > len(opening) + len(old) else ""
    return f"{head}{opening}{_unquoted(new)}{closing}"


def _unquoted(text: str) -> str:
    return text.replace('"', "")


def bare(text: str, names: Names) -> str:
    """Return a word without a value: known, or hidden."""
    plain = cmdline.plain(text)
    if text in FLAGS or plain in FLAGS or is_parameter(text):
        return text
    # The rest of a list of ids that a blank has cut off.
    if all(_IDS.fullmatch(item) for item in text.split(",") if item):
        return text
    head, colon, rest = text.partition(":")
    if is_ids_elsewhere(plain.lower(), "") and is_parameter(head):
        return f"{head}{colon}{parameter_value(rest, names)}"
    return names.hidden(text)


def key(text: str, names: Names) -> str:
    """Return a parameter's name: known, or hidden."""
    if text in FLAGS or is_parameter(text):
        return text
    # Whose parameter it is may be told, if the module is one of this field's.
    module, dot, rest = text.partition(".")
    if dot and module.replace("-", "_") in FIELD:
        return f"{module}.{names.hidden(rest)}"
    return names.hidden(text)


def is_parameter(text: str) -> bool:
    """Tell whether a name is that of a parameter, or a known misspelling of one."""
    plain = cmdline.plain(text)
    if {text, plain} & (WORDED | PATHS | DISKS | NAMED | set(KNOWN) | _ACCUMULATING):
        return True
    return _is_slip(plain) or of_module(text) is not None


def _is_slip(plain: str) -> bool:
    """Tell whether a name is a real one but for a slip, which is judged, too."""
    return bool(right_name(plain, "")) and not is_ids_elsewhere(plain.lower(), "")


_ACCUMULATING = cmdline.ACCUMULATING | {cmdline.plain(k) for k in cmdline.ACCUMULATING}


def of_module(text: str) -> tuple[str, str] | None:
    """Return module and parameter of ``kvm.ignore_msrs``; None for another name."""
    module, dot, parameter = cmdline.plain(text).partition(".")
    if not dot:
        return None
    if module in FIELD and parameter in PARAMETERS:
        return module, parameter
    ours = module == "vfio_doctor" or text.lower().startswith("vfio.pci")
    return (module, parameter) if ours else None


def value(name: str, text: str, names: Names) -> str:
    """Return the value of a parameter, known or hidden item by item."""
    plain = cmdline.plain(name)
    if plain.lower() in KNOWN:
        return ",".join(
            _item(item, KNOWN[plain.lower()], names) for item in text.split(",")
        )
    if of_module(name) or _is_slip(plain):
        return parameter_value(text, names)
    if is_ids_elsewhere(plain.lower(), text):
        head, equals, rest = text.rpartition("=")
        return f"{head}{equals}{parameter_value(rest, names)}"
    if name in PATHS:
        return path_value(text, names)
    if name in DISKS:
        return disk(text, names)
    if {name, plain} & (WORDED | _ACCUMULATING):
        return worded(text, names)
    return forms.value(text, names)


def _item(item: str, known: tuple[str, ...], names: Names) -> str:
    """Return an item; the kernel compares only as many letters as its word has."""
    if item in known or item in _ITEM_WORDS or forms.is_number(item):
        return item
    head = max((word for word in known if item.startswith(word)), key=len, default="")
    head = head or item[: item[:1].isdigit()]
    return head + names.hidden(item[len(head) :])


def parameter_value(text: str, names: Names) -> str:
    """Return a module parameter's value: numbers, booleans, PCI ids, addresses."""
    parts = _PARTS.split(text)
    return "".join(
        part if _PARTS.fullmatch(part) else _parameter_item(part, names)
        for part in parts
    )


def _parameter_item(item: str, names: Names) -> str:
    known = (
        item in _ITEM_WORDS
        or forms.is_number(item)
        or forms.PCI_IDS.fullmatch(_HEX.sub("", item))
    )
    if known or re.fullmatch(forms.BDF, item) or not item:
        return item
    if shown := forms.as_address(item, names):
        return shown
    head = _BOOLEAN.match(item)
    kept = head.group() if head else ""
    return kept + names.hidden(item[len(kept) :])


def worded(text: str, names: Names) -> str:
    """Return a value of known words and numbers, with what separates them."""
    items = _ITEMS.split(text)
    return "".join(_worded_item(item, names) for item in items)


def _worded_item(text: str, names: Names) -> str:
    shown = forms.as_address(text, names)
    if shown:
        return shown
    digits = _DIGITS.fullmatch(text)
    if digits and not forms.is_harmless_chain(text):
        return names.hidden(text)
    return _SEPARATED.sub(lambda found: _worded(found.group(), names), text)


def _worded(text: str, names: Names) -> str:
    known = text in _ITEM_WORDS or forms.is_number(text) or is_module(text)
    if known or text in ",:;=@/+.()|" or text in KNOWN or _is_typed(text):
        return text
    return names.hidden(text)


def _is_typed(text: str) -> bool:
    """Tell whether this is a console, a mode or a known word with digits."""
    return (
        re.fullmatch(
            r"\d{1,5}x\d{1,5}(?:[MR]{0,2}-?\d{0,2})?|[A-Z]{1,6}-?[A-Z]?-\d|\d{1,7}(?:[neo]\d?r?)?",
            text,
        )
        is not None
        or text.lower() in WORDS
        or text.replace("-", "_").endswith("_init")
        and all(
            part in WORDS | {"driver", "sysfb", "platform"} for part in text.split("_")
        )
    )


def path_value(text: str, names: Names) -> str:
    """Return a path behind GRUB's device, if one is named: ``(hd0,gpt2)/vmlinuz``."""
    found = re.match(r"\((hd\d{1,3}(?:,(?:gpt|msdos)?\d{1,3})?)\)", text)
    head = found.group() if found else ""
    return head + paths.path(text[len(head) :], names)


def disk(text: str, names: Names) -> str:
    """Return what names a disk: its kind stays, and a plain device's name."""
    head, equals, rest = text.partition("=")
    if equals and head in _DISK_HEADS:
        return f"{head}={forms.in_parts(rest, names, 'volume')}"
    if re.fullmatch(
        r"/dev/(?:[shv]d[a-z]\d{0,2}|nvme\dn\dp?\d{0,2}|mmcblk\dp?\d?|md\d+)", text
    ):
        return text
    if text.startswith("/dev/"):
        return f"/dev/{forms.in_parts(text[5:], names, 'volume')}"
    return forms.in_parts(text, names, "volume")
