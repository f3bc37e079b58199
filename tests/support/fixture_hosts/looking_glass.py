"""Looking Glass on a host: the module, its node, the rules that people have."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.parts import Parts
from vfio_doctor.host.reader import AclEntry, ProbeResult, Stat, UdevDevice

RULES_99_ROOT = 'SUBSYSTEM=="kvmfr", OWNER="root", GROUP="qemu", MODE="0660"\n'
RULES_99_ALICE = 'SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="qemu", MODE="0660"\n'
RULES_UACCESS = 'SUBSYSTEM=="kvmfr", GROUP="{}", MODE="0660", TAG+="uaccess"\n'
RULES_GROUP = 'SUBSYSTEM=="kvmfr", GROUP="{}", MODE="0660"\n'
RULE_NAME = "70-kvmfr.rules"
SEAT_ACL = (
    AclEntry("user_obj", -1, 6),
    AclEntry("user", 1000, 6),
    AclEntry("group_obj", -1, 6),
    AclEntry("mask", -1, 6),
    AclEntry("other", -1, 0),
)
DUMMY = (
    "# This is a dummy file: the size is set by a kernel argument.\n"
    "# options kvmfr static_size_mb=128\n"
)


def module_file(
    release: str, signer: str = "ublue kernel", built_for: str = ""
) -> Parts:
    """The module is installed for that kernel, and mostly built for it too."""
    path = f"/lib/modules/{release}/extra/kvmfr/kvmfr.ko.xz"
    vermagic = f"{built_for or release} SMP preempt mod_unload "
    info = (
        f"filename:       {path}\nversion:        0.0.12\nlicense:        GPL\n"
        f"name:           kvmfr\nvermagic:       {vermagic}\n"
        f"signer:         {signer}\nparm:           static_size_mb:array of int\n"
    )
    argv = ("modinfo", "-k", release, "kvmfr")
    return Parts(
        files={
            path: b"",
            f"/lib/modules/{release}/modules.dep": "extra/kvmfr/kvmfr.ko.xz:\n",
        },
        commands={argv: hosts.ran(argv, info)},
    )


def loaded(node: Stat | None, size_mib: int = 128, tags: tuple[str, ...] = ()) -> Parts:
    """The module runs; ``node`` is what ``/dev/kvmfr0`` is, None: no device."""
    parts = Parts(
        {
            "/proc/modules": "kvmfr 20480 0 - Live 0x0000000000000000 (OE)\n"
            "kvm 1191936 0 - Live 0x0000000000000000\n",
            "/sys/module/kvmfr/version": "0.0.12\n",
            "/sys/module/kvmfr/initstate": "live\n",
        },
        {},
        ("/sys/module/kvmfr", "/sys/class/kvmfr"),
        {},
        {},
        {},
    )
    if node is None:
        return parts
    parts.files["/sys/class/kvmfr/kvmfr0/dev"] = "242:0\n"
    parts.stats["/dev/kvmfr0"] = node
    parts.probes["kvmfr-size", "/dev/kvmfr0"] = ProbeResult(
        "kvmfr-size",
        ("opened /dev/kvmfr0", "asked its size"),
        (("size", size_mib << 20),),
    )
    parts.udev["kvmfr"] = (
        UdevDevice(
            "/sys/devices/virtual/kvmfr/kvmfr0",
            "kvmfr",
            "kvmfr0",
            "/dev/kvmfr0",
            (("DEVNAME", "/dev/kvmfr0"), ("SUBSYSTEM", "kvmfr")),
            tags,
        ),
    )
    return parts


def not_loaded() -> Parts:
    """The module of `loaded` is not there any more, nor anything that it made."""
    return Parts(
        files={"/proc/modules": "kvm 1191936 0 - Live 0x0000000000000000\n"},
        udev={"kvmfr": ()},
        gone=("/sys/module/kvmfr", "/sys/class/kvmfr", "/dev/kvmfr0"),
    )


def no_device() -> Parts:
    """The module runs, and has made no device: nobody gave a size."""
    return Parts(udev={"kvmfr": ()}, gone=("/sys/class/kvmfr/kvmfr0", "/dev/kvmfr0"))


def node(
    user: str, uid: int, group: str, gid: int, mode: int = 0o660, acl: bool = False
) -> Stat:
    """``/dev/kvmfr0`` as lstat shows it."""
    stat = hosts.char_node(mode, user, uid, group, gid, (242, 0))
    return stat._replace(acl=SEAT_ACL) if acl else stat


def rules(name: str, text: str) -> Parts:
    """A rule file of the administrator, and no other one for kvmfr."""
    return Parts(
        files={f"/etc/udev/rules.d/{name}": text},
        gone=(f"/etc/udev/rules.d/{RULE_NAME}",),
    )


def no_rule() -> Parts:
    """Nobody wrote a rule."""
    return Parts(gone=(f"/etc/udev/rules.d/{RULE_NAME}",))


def at_boot(size_mib: int = 0) -> Parts:
    """modules-load.d names the module; modprobe.d has its size where given."""
    files = {"/etc/modules-load.d/kvmfr.conf": "kvmfr\n"}
    if size_mib:
        files["/etc/modprobe.d/kvmfr.conf"] = (
            f"options kvmfr static_size_mb={size_mib}\n"
        )
    return Parts(files=dict(files))


def refused() -> Parts:
    """Secure Boot is on, and the kernel has refused a module."""
    variable = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    argv = ("dmesg",)
    lines = (
        "[    0.000000] Kernel is locked down from EFI Secure Boot\n"
        "[    5.101010] Loading of module with unavailable key is rejected\n"
    )
    return Parts(
        files={
            "/sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
            "/sys/module/module/parameters/sig_enforce": "N\n",
            f"/sys/firmware/efi/efivars/{variable}": b"\x06\0\0\0\x01",
        },
        commands={argv: hosts.ran(argv, lines)},
    )
