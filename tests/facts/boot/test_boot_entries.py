from collections.abc import Mapping

import pytest

from support import hosts
from support.fixture_hosts.hardware import cpu
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.boot import entries as boot_entries
from vfio_doctor.facts.boot import systemd_menu
from vfio_doctor.facts.boot.entries import Entry
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.model import Message

Files = Mapping[str, str | bytes | Missing]
GUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
FOLDER = "/boot/loader/entries"
ENTRIES = {
    f"{FOLDER}/arch.conf": "title a\nlinux /vmlinuz-linux\noptions a\n",
    f"{FOLDER}/m-6.9.0.conf": "sort-key arch\nversion 6.9.0\n",
    f"{FOLDER}/m-6.10.0+3.conf": "sort-key arch\nversion 6.10.0\n",
    f"{FOLDER}/m-6.11.0+0-3.conf": "sort-key arch\nversion 6.11.0\n",
}


def variable(name: str, value: str) -> Files:
    path = f"/sys/firmware/efi/efivars/{name}-{GUID}"
    return {path: b"\x06\0\0\0" + f"{value}\0".encode("utf-16-le")}


def chosen(files: Files) -> str:
    found = systemd_menu.default_entry(hosts.build(files))
    assert isinstance(found, str), found
    return found.rpartition("/")[2]


LOADER = "/efi/loader/loader.conf"
DEFAULTS: list[tuple[Files, str]] = [
    ({}, "m-6.10.0+3.conf"),
    ({LOADER: "default arch.conf\n"}, "arch.conf"),
    ({LOADER: "default ARCH.conf\n"}, "arch.conf"),
    ({LOADER: "default\tarch.conf \r\n"}, "arch.conf"),
    ({LOADER: "default arch\n"}, "m-6.10.0+3.conf"),
    (
        {LOADER: "default arch\n", **variable("LoaderInfo", "systemd-boot 245")},
        "arch.conf",
    ),
    ({LOADER: "default gone\n"}, "m-6.10.0+3.conf"),
    (
        {LOADER: "default arch.*\n", **variable("LoaderEntryDefault", "gone.conf")},
        "arch.conf",
    ),
    ({LOADER: "#default arch\ndefault m-*\n"}, "m-6.10.0+3.conf"),
    ({LOADER: "default m-6.9*\n", f"{FOLDER}/../loader.conf": ""}, "m-6.9.0.conf"),
    ({"/boot/loader/loader.conf": "default arch.conf\n"}, "arch.conf"),
    ({LOADER: "timeout 3\n"}, "m-6.10.0+3.conf"),
    (
        {LOADER: "default @saved\n", **variable("LoaderEntryLastBooted", "arch.conf")},
        "arch.conf",
    ),
    (
        {LOADER: "default m-*\n", **variable("LoaderEntryDefault", "arch.conf")},
        "arch.conf",
    ),
    (
        {
            **variable("LoaderEntryOneShot", "m-6.9.0.conf"),
            **variable("LoaderEntryDefault", "arch.conf"),
        },
        "m-6.9.0.conf",
    ),
    (
        {
            **variable("LoaderEntryDefault", "@saved"),
            **variable("LoaderEntryLastBooted", "arch.conf"),
        },
        "arch.conf",
    ),
]


@for_each(("files", "name"), DEFAULTS)
def test_default_of_systemd_boot(files: Files, name: str) -> None:
    assert chosen({**ENTRIES, **files}) == name


def test_whole_names_are_compared() -> None:
    names = ("arch-lts", "arch", "Arch-zen")
    files = {f"{FOLDER}/{name}.conf": "title x\n" for name in names}
    assert chosen({**files, f"{FOLDER}/.zz.conf": "", f"{FOLDER}/auto-x.conf": ""}) == (
        "arch.conf"
    )


def test_entries_without_sort_key_are_newest_first_by_name() -> None:
    names = ("debian-6.1.0-9", "debian-6.1.0-10", "debian-6.1.0-10~rc1")
    files = {f"/efi/loader/entries/{name}.conf": "title x\n" for name in names}
    assert chosen(files) == "debian-6.1.0-10.conf"


CPU = cpu("GenuineIntel", "", "vmx", 39).files
TWO = {f"{FOLDER}/a.conf": "linux /a\n", f"{FOLDER}/b.conf": "linux /b\n"}


@for_each(
    ("files", "name"),
    [
        (TWO, "b.conf"),
        # The menu has nothing that cannot be started.
        ({**TWO, "/boot/a": ""}, "a.conf"),
        ({**TWO, "/boot/a": "", LOADER: "default b*\n"}, "a.conf"),
        ({**TWO, "/boot/a": "", "/boot/b": hosts.denied("/boot/b")}, "b.conf"),
        ({**TWO, f"{FOLDER}/c.conf": "title c\n", "/boot/b": ""}, "b.conf"),
        ({**TWO, f"{FOLDER}/c.conf": "efi \\c.efi\n", "/boot/c.efi": ""}, "c.conf"),
        ({**TWO, f"{FOLDER}/c.conf": "linux c\narchitecture aa64\n"}, "b.conf"),
        ({**TWO, f"{FOLDER}/c.conf": "linux c\narchitecture x64\n"}, "c.conf"),
    ],
)
def test_an_entry_that_starts_nothing_here_is_not_in_the_menu(
    files: Files, name: str
) -> None:
    assert chosen({**CPU, **files}) == name


@for_each(
    ("data", "kind"),
    [
        ("systemd-boot 257".encode("utf-16-le"), BootKind.SYSTEMD_BOOT),
        ("systemd-boot 257\0".encode("utf-16-le") + b"\xff" * 9, BootKind.SYSTEMD_BOOT),
        ("systemd-boot 257\0refind\0".encode("utf-16-le"), BootKind.SYSTEMD_BOOT),
        ("systemd-boot 257 ".encode("utf-16-le") + b"\0\xd8", BootKind.SYSTEMD_BOOT),
        (b"\xff" * 4097, BootKind.UNKNOWN),
        (b"\0\xd8" * (1 << 12), BootKind.UNKNOWN),
        ("x".encode("utf-16-le") * (1 << 12), BootKind.UNKNOWN),
        (b"", BootKind.SYSTEMD_BOOT),
        (b"\0", BootKind.UNKNOWN),
    ],
)
@pytest.mark.parametrize("name", ["LoaderInfo", "LoaderEntrySelected", "StubInfo"])
def test_a_variable_of_any_bytes(data: bytes, kind: BootKind, name: str) -> None:
    path = f"/sys/firmware/efi/efivars/{name}-{GUID}"
    others = variable("LoaderInfo", "systemd-boot 257") if name != "LoaderInfo" else {}
    host = hosts.build(
        {**ENTRIES, LOADER: "", "/proc/cmdline": "quiet\n", **others}
        | {path: b"\x06\0\0\0"[: 4 if data else 2] + data}
    )
    stack = Facts(host)[BootStack]
    assert name != "LoaderInfo" or stack.kind is kind
    assert len(str(stack.tool)) < 300
    assert isinstance(systemd_menu.default_entry(host), str | Missing)


@pytest.mark.parametrize("name", ["LoaderInfo", "LoaderEntrySelected", "StubInfo"])
def test_a_variable_larger_than_any_is_named(name: str) -> None:
    path = f"/sys/firmware/efi/efivars/{name}-{GUID}"
    host = hosts.build({path: b"\6\0\0\0" + b"\0\xd8" * (1 << 19)}, folders=("/run",))
    with pytest.raises(MissingFact, match=rf"{name}.* bytes"):
        _ = Facts(host)[BootStack]


@pytest.mark.parametrize("why", [Why.DENIED, Why.FAILED, Why.TIMED_OUT])
@pytest.mark.parametrize("name", ["LoaderInfo", "LoaderEntrySelected", "StubInfo"])
def test_a_loader_that_cannot_be_asked_is_not_guessed(name: str, why: Why) -> None:
    path = f"/sys/firmware/efi/efivars/{name}-{GUID}"
    grub = {"/etc/default/grub": "", "/boot/grub/grub.cfg": ""}
    host = hosts.build(
        {**grub, "/proc/cmdline": "quiet\n", path: Missing(path, why, "I/O error")},
        folders=("/run",),
    )
    with pytest.raises(MissingFact, match=name):
        _ = Facts(host)[BootStack]


@for_each(
    ("files", "why"),
    [
        ({}, Why.ABSENT),
        ({**ENTRIES, LOADER: "default windows.efi\n"}, Why.FAILED),
        ({**ENTRIES, **variable("LoaderEntryOneShot", "auto-windows")}, Why.FAILED),
        ({**ENTRIES, LOADER: hosts.denied(LOADER)}, Why.DENIED),
        ({f"{FOLDER}/a.conf": hosts.denied(f"{FOLDER}/a.conf")}, Why.DENIED),
    ],
)
def test_default_that_is_not_known(files: Files, why: Why) -> None:
    found = systemd_menu.default_entry(hosts.build(files))
    assert isinstance(found, Missing)
    assert found.why is why


UKI = {"/boot/EFI/Linux/arch-linux+3.efi": b"MZ"}
PLAIN = {f"{FOLDER}/arch.conf": "title a\noptions a\n"}
KEYED = {f"{FOLDER}/m.conf": "sort-key fedora\nversion 6\n"}


@for_each(
    ("files", "boots"),
    [
        ({**PLAIN, **UKI}, systemd_menu.IS_IMAGE.id),
        ({**UKI}, systemd_menu.IS_IMAGE.id),
        ({**PLAIN, **UKI, LOADER: "default arch.conf\n"}, "arch.conf"),
        ({**PLAIN, **UKI, LOADER: "default arch-linux.efi\n"}, "boot-default-image"),
        ({**PLAIN, **UKI, LOADER: "default arch*\n"}, "boot-default-image"),
        ({**KEYED, **UKI}, systemd_menu.WHICH_FIRST.id),
        ({**KEYED, **UKI, **variable("LoaderEntrySelected", "m.conf")}, "m.conf"),
        (
            {**KEYED, **UKI, **variable("LoaderEntrySelected", "arch-linux.efi")},
            systemd_menu.IS_IMAGE.id,
        ),
    ],
)
def test_unified_images_are_in_the_same_menu(files: Files, boots: str) -> None:
    """An image always has a sort key, and comes before entries without one."""
    found = systemd_menu.default_entry(hosts.build(files))
    if isinstance(found, str):
        assert found.endswith(f"/{boots}")
    else:
        assert isinstance(found.detail, Message)
        assert found.detail.id == boots


def closed(folder: str, files: Files) -> CapturedHost:
    host = hosts.build(files, folders=[folder])
    host.capture.lists[folder] = hosts.denied(folder)
    return host


def test_closed_folder_may_hide_the_default() -> None:
    host = closed("/efi/loader/entries", ENTRIES)
    assert isinstance(systemd_menu.default_entry(host), Missing)
    host = closed(FOLDER, {})
    assert isinstance(boot_entries.grubby_default_entry(host), Missing)
    assert isinstance(boot_entries.newest_ostree_entry(host), Missing)


MENU = {
    f"{FOLDER}/m-{release}.conf": f"options {release}\n"
    for release in ("0-rescue", "6.9.0", "6.10.0")
}


@for_each(
    ("grubenv", "release"),
    [
        (None, "6.10.0"),
        ("saved_entry=1\n", "6.9.0"),
        ("saved_entry=2\n", "0-rescue"),
        ("saved_entry=7\n", "6.10.0"),
        ("saved_entry=m-6.9.0\nnext_entry=m-0-rescue\n", "0-rescue"),
    ],
)
def test_default_of_grubby(grubenv: str | None, release: str) -> None:
    files = {"/boot/grub2/grubenv": grubenv} if grubenv else {}
    found = boot_entries.grubby_default_entry(hosts.build({**MENU, **files}))
    assert found == f"{FOLDER}/m-{release}.conf"


def test_grubenv_that_may_not_be_read_is_no_default() -> None:
    path = "/boot/grub2/grubenv"
    host = hosts.build({**MENU, path: hosts.denied(path)})
    found = boot_entries.grubby_default_entry(host)
    assert isinstance(found, Missing)
    assert found.why is Why.DENIED
    assert isinstance(boot_entries.grubby_default_entry(hosts.build({})), Missing)


PATH = f"{FOLDER}/a.conf"


def entry(options: str, grubenv: str | None = "", **more: str) -> Entry | Missing:
    lines = [f"{key} {value}\n" for key, value in more.items()]
    files: dict[str, str | bytes | Missing] = {
        PATH: f"linux /vmlinuz-6\n{''.join(lines)}options {options}\n"
    }
    if grubenv is not None:
        files["/boot/grub2/grubenv"] = grubenv
    return boot_entries.bls_entry(hosts.build(files), PATH)


@for_each(
    ("options", "grubenv", "words"),
    [
        ("ro quiet", None, ("ro", "quiet")),
        (
            "$kernelopts quiet",
            "kernelopts=root=x iommu=pt",
            ("root=x", "iommu=pt", "quiet"),
        ),
        ("ro $tuned_params x", "tuned_params=isolcpus=1", ("ro", "isolcpus=1", "x")),
        ("ro ${tuned_params}", "", ("ro",)),
        ("ro $ignition_firstboot", None, ("ro",)),
    ],
)
def test_variables_of_grub(
    options: str, grubenv: str | None, words: tuple[str, ...]
) -> None:
    assert entry(options, grubenv) == Entry(PATH, "/vmlinuz-6", words)


def test_entries_that_do_not_say_all() -> None:
    assert isinstance(entry("$kernelopts", ""), Missing)
    path = "/boot/grub/grubenv"
    host = hosts.build({PATH: "options $tuned_params", path: hosts.denied(path)})
    assert isinstance(boot_entries.bls_entry(host, PATH), Missing)
    host = hosts.build({PATH: "uki /EFI/Linux/a.efi\n"})
    found = boot_entries.bls_entry(host, PATH)
    assert isinstance(found, Missing)
    assert "holds its arguments" in str(found.detail)
    assert isinstance(boot_entries.bls_entry(host, f"{FOLDER}/gone.conf"), Missing)
    assert isinstance(boot_entries.bls_entry(host, Missing("x", Why.ABSENT)), Missing)


@for_each("version", ["x", "", "9" * 5000, "٣"])
def test_ostree_version_that_is_no_number(version: str) -> None:
    files = {
        f"{FOLDER}/ostree-1.conf": f"version {version}\noptions a\n",
        f"{FOLDER}/ostree-2.conf": "version 1\noptions b\noptions c\n",
    }
    found = boot_entries.newest_ostree_entry(hosts.build(files))
    assert not isinstance(found, Missing)
    assert found[1]["options"] == "b c"


def test_ostree_entry_that_may_not_be_read() -> None:
    path = f"{FOLDER}/ostree-2.conf"
    host = hosts.build(
        {f"{FOLDER}/ostree-1.conf": "version 1\n", path: hosts.denied(path)}
    )
    assert isinstance(boot_entries.newest_ostree_entry(host), Missing)


GRUB = "set default=\"${saved_entry}\"\nmenuentry 'a' {\n linux /vmlinuz-6.1 a\n}\n"


@for_each(
    ("files", "why"),
    [
        ({}, Why.ABSENT),
        ({"/boot/grub2/grub.cfg": "blscfg\n"}, Why.FAILED),
        (
            {
                "/boot/grub/grub.cfg": GRUB,
                "/boot/grub/grubenv": hosts.denied("/boot/grub/grubenv"),
            },
            Why.DENIED,
        ),
    ],
)
def test_menu_that_does_not_say(files: Files, why: Why) -> None:
    found = boot_entries.grub_menu_entry(hosts.build(files))
    assert isinstance(found, Missing)
    assert found.why is why


LIMINE = "/boot/limine/limine.conf"


@for_each(
    ("files", "words"),
    [
        ({LIMINE: "/a\npath: boot():/vmlinuz-6.1\ncmdline: x y\n"}, ("x", "y")),
        ({LIMINE: "/a\nprotocol: efi\n"}, None),
        ({LIMINE: hosts.denied(LIMINE)}, None),
        ({}, None),
    ],
)
def test_menu_of_limine(files: Files, words: tuple[str, ...] | None) -> None:
    found = boot_entries.limine_entry(hosts.build(files))
    assert isinstance(found, Entry) == (words is not None)
    if isinstance(found, Entry):
        assert found == Entry(LIMINE, "boot():/vmlinuz-6.1", ("x", "y"))
