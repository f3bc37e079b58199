from collections.abc import Mapping

import pytest

from support import hosts
from support.fixture_hosts import systems
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.boot.stack import COMPOSEFS, IN_CONTAINER, BootKind, BootStack
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Stat, Why

Files = Mapping[str, str | bytes | Missing]
GUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
ENTRY = "/boot/loader/entries"
GRUB = {"/etc/default/grub": "", "/boot/grub/grub.cfg": ""}
GRUBBY = {"/usr/bin/grubby": "", f"{ENTRY}/a.conf": ""}


def variable(name: str, value: str) -> dict[str, str | bytes | Missing]:
    path = f"/sys/firmware/efi/efivars/{name}-{GUID}"
    return {path: b"\x06\0\0\0" + f"{value}\0".encode("utf-16-le")}


def stack(
    files: Files,
    cmdline: str = "quiet",
    stats: Mapping[str, Stat | Missing] | None = None,
) -> BootStack:
    host = hosts.build({"/proc/cmdline": cmdline, **files}, stats)
    return Facts(host)[BootStack]


LOADER = variable("LoaderInfo", "systemd-boot 257")
STUB = variable("StubInfo", "systemd-stub 257")
BOOTED: list[tuple[str, Files, BootKind]] = [
    ("NixOS with GRUB", {"/etc/NIXOS": "", **GRUB}, BootKind.NIXOS),
    ("loader over leftovers of GRUB", {**LOADER, **GRUB}, BootKind.SYSTEMD_BOOT),
    ("loader over grubby", {**LOADER, **GRUBBY}, BootKind.SYSTEMD_BOOT),
    ("kernelstub", {**LOADER, "/usr/bin/kernelstub": ""}, BootKind.KERNELSTUB),
    ("stub without a loader", {**STUB, **GRUB}, BootKind.UKI),
    (
        "loader that started a unified image",
        {**LOADER, **STUB, **variable("LoaderEntrySelected", "arch.efi")},
        BootKind.UKI,
    ),
    (
        "loader that started an entry",
        {**LOADER, **STUB, **variable("LoaderEntrySelected", "arch.conf")},
        BootKind.SYSTEMD_BOOT,
    ),
    ("Limine by its name", {**variable("LoaderInfo", "Limine 9.2")}, BootKind.LIMINE),
    (
        "Limine's tool keeps unified images",
        {**variable("LoaderInfo", "Limine 9"), **STUB, "/etc/default/limine": ""},
        BootKind.LIMINE,
    ),
    (
        "Limine that started somebody's unified image",
        {**variable("LoaderInfo", "Limine 9"), **STUB},
        BootKind.UKI,
    ),
    (
        "GRUB that names itself",
        {**variable("LoaderInfo", "GRUB 2.12"), **GRUB},
        BootKind.GRUB,
    ),
    ("grubby", {**GRUBBY, "/etc/default/grub": ""}, BootKind.GRUBBY),
    (
        "kernelstub left over on GRUB",
        {**GRUB, "/usr/bin/kernelstub": ""},
        BootKind.GRUB,
    ),
    ("nothing", {}, BootKind.UNKNOWN),
]


@for_each(("files", "kind"), [pytest.param(f, k, id=name) for name, f, k in BOOTED])
def test_what_booted_beats_what_lies_about(files: Files, kind: BootKind) -> None:
    found = stack(files)
    assert found.kind is kind
    assert bool(found.evidence) == (kind is not BootKind.UNKNOWN)


REFIND = {"/boot/refind_linux.conf": ""}
LIMINE = {"/boot/limine.conf": ""}
ZFS = {"/etc/zfsbootmenu/config.yaml": ""}
ESPS = {"/etc/kernel/proxmox-boot-uuids": "ABCD-1234\n"}
BY_GRUB = "BOOT_IMAGE=/vmlinuz-6.1 root=x quiet"
BY_FIRMWARE = "root=x initrd=\\initramfs.img"
LEFTOVERS: list[tuple[str, Files, str, BootKind]] = [
    ("rEFInd by its file", {**REFIND, **GRUB}, "root=x", BootKind.REFIND),
    (
        "rEFInd by its name",
        {**variable("LoaderInfo", "rEFInd 0.14.2"), **GRUB},
        "root=x",
        BootKind.REFIND,
    ),
    ("rEFInd that starts GRUB", {**REFIND, **GRUB}, BY_GRUB, BootKind.GRUB),
    ("ZFSBootMenu", {**ZFS, **GRUB}, "root=zfs:p/ROOT/a", BootKind.ZFSBOOTMENU),
    ("its stub", {**ZFS, **GRUB, **STUB}, "zfs=p/ROOT/a", BootKind.ZFSBOOTMENU),
    ("ZFSBootMenu left over", {**ZFS, **GRUB}, "root=UUID=x", BootKind.GRUB),
    ("firmware beside GRUB", GRUB, BY_FIRMWARE, BootKind.EFI_STUB),
    ("firmware beside grubby", GRUBBY, BY_FIRMWARE, BootKind.EFI_STUB),
    (
        "systemd-boot without variables",
        {"/boot/loader/loader.conf": "", **GRUB},
        BY_FIRMWARE,
        BootKind.SYSTEMD_BOOT,
    ),
    ("Proxmox", {**ESPS, **GRUB}, BY_GRUB, BootKind.PROXMOX),
    (
        "Proxmox with no ESP",
        {**{p: "\n" for p in ESPS}, **GRUB},
        BY_GRUB,
        BootKind.GRUB,
    ),
    ("Proxmox and systemd-boot", {**ESPS, **LOADER}, "quiet", BootKind.PROXMOX),
    ("hand-kept Limine", LIMINE, "quiet", BootKind.LIMINE),
    ("hand-kept Limine beside GRUB", {**LIMINE, **GRUB}, "a", BootKind.LIMINE),
    ("GRUB and kexec or Xen", GRUB, "root=x quiet", BootKind.GRUB),
    ("Limine left over", {**LIMINE, **GRUB}, BY_GRUB, BootKind.GRUB),
    (
        "its tool left over",
        {"/etc/default/limine": "", **GRUB},
        BY_GRUB,
        BootKind.GRUB,
    ),
    (
        "syslinux",
        LIMINE,
        "BOOT_IMAGE=/bzimage initrd=/bzroot",
        BootKind.SYSLINUX,
    ),
    ("another loader", {**variable("LoaderInfo", "Clover")}, "", BootKind.UNKNOWN),
]


@for_each(
    ("files", "cmdline", "kind"),
    [pytest.param(f, c, k, id=name) for name, f, c, k in LEFTOVERS],
)
def test_leftovers_are_not_believed(files: Files, cmdline: str, kind: BootKind) -> None:
    assert stack(files, cmdline).kind is kind


def test_a_command_line_that_is_not_known_rules_no_loader_out() -> None:
    unread = hosts.build({**LIMINE, **GRUB})
    assert Facts(unread)[BootStack].kind is BootKind.GRUB


@for_each(
    ("tools", "kind"),
    [
        (("rpm-ostree", "bootc"), BootKind.RPM_OSTREE),
        (("bootc",), BootKind.BOOTC),
        (("grubby",), BootKind.UNKNOWN),
    ],
)
def test_ostree_is_never_left_to_other_tools(
    tools: tuple[str, ...], kind: BootKind
) -> None:
    files = {f"/usr/bin/{tool}": "" for tool in tools}
    found = stack({"/run/ostree-booted": "", **GRUB, **GRUBBY, **LOADER, **files})
    assert found.kind is kind
    assert found.evidence[0] == "/run/ostree-booted"


def test_composefs_is_known_and_not_edited() -> None:
    files = {"/usr/bin/bootc": "", **LOADER}
    found = stack(files, "composefs=0123 rw")
    assert (found.kind, found.tool) == (BootKind.UNKNOWN, COMPOSEFS)
    assert stack({**files, **STUB}, "composefs=0123").kind is BootKind.UKI
    unread = hosts.build({**files})
    assert Facts(unread)[BootStack].kind is BootKind.SYSTEMD_BOOT


@for_each(
    ("files", "closed", "kind"),
    [
        ({"/usr/sbin/grubby": "", "/etc/default/grub": ""}, ENTRY, BootKind.GRUBBY),
        ({"/etc/default/grub": ""}, "/boot/grub2/grub.cfg", BootKind.GRUB),
        ({}, "/boot/loader/loader.conf", BootKind.UNKNOWN),
        ({}, "/boot/grub/grub.cfg", BootKind.UNKNOWN),
    ],
)
def test_behind_closed_doors(files: Files, closed: str, kind: BootKind) -> None:
    assert stack(files, stats={closed: hosts.denied(closed)}).kind is kind


def test_container_has_no_boot_stack() -> None:
    found = stack({"/run/.containerenv": "", **GRUB})
    assert found == (BootKind.UNKNOWN, IN_CONTAINER.filled(kind="podman"), ())


def test_unseen_run_is_unknown() -> None:
    mark = "/run/ostree-booted"
    with pytest.raises(MissingFact, match="how this host boots"):
        stack(GRUB, stats={mark: Missing(mark, Why.NOT_CAPTURED)})


def test_fixture_systems() -> None:
    parts = {
        BootKind.SYSTEMD_BOOT: systems.systemd_boot("quiet"),
        BootKind.GRUB: systems.grub("6.1", "quiet"),
        BootKind.GRUBBY: systems.bls("6.1", "quiet"),
        BootKind.RPM_OSTREE: systems.ostree_boot("6.1", "a", "quiet"),
    }
    for kind, part in parts.items():
        host: CapturedHost = hosts.build(part.files)
        assert Facts(host)[BootStack].kind is kind
