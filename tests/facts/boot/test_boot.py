import pytest

from support import hosts, ostree_files
from support.fixture_hosts import systems
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.boot.next_kernel import NextKernel
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why

CMDLINE = {"/proc/cmdline": "now=1\n"}
OSTREE = {"/run/ostree-booted": "", "/usr/bin/rpm-ostree": ""}
KARGS = ("rpm-ostree", "kargs")


def entry(version: int, options: str, kernel: str = "/vmlinuz-6.1-x") -> str:
    return f"title t\nversion {version}\noptions {options}\nlinux {kernel}\n"


def arguments(host: CapturedHost) -> BootArguments:
    return Facts(host)[BootArguments]


def following(host: CapturedHost) -> tuple[str, ...]:
    line = arguments(host).next
    assert not isinstance(line, Missing), line
    return line.words


def test_ostree_boots_the_entry_with_the_highest_version() -> None:
    host = hosts.build(
        {
            **CMDLINE,
            **OSTREE,
            "/boot/loader/entries/ostree-1.conf": entry(9, "new=1"),
            "/boot/loader/entries/ostree-2.conf": entry(10, "newest=1"),
        }
    )
    assert following(host) == ("newest=1",)
    assert arguments(host).next_source == "/boot/loader/entries/ostree-2.conf"
    assert arguments(host).now.words == ("now=1",)


@pytest.mark.parametrize("staged", [True, False])
def test_ostree_asks_the_tool_where_the_entries_do_not_say(staged: bool) -> None:
    entries = {"/boot/loader/entries/ostree-1.conf": entry(1, "old=1")}
    extra = {"/run/ostree/staged-deployment": "x"} if staged else {}
    host = hosts.build(
        {**CMDLINE, **OSTREE, **entries, **extra},
        commands={KARGS: hosts.ran(KARGS, "kargs=1\n")},
    )
    if not staged:
        path = "/boot/loader/entries"
        host.capture.lists[path] = hosts.denied(path)
    assert following(host) == ("kargs=1",)
    assert arguments(host).next_source == "rpm-ostree kargs"


def test_ostree_tool_that_fails_is_unknown() -> None:
    answer = hosts.ran(KARGS, "", 1)._replace(stderr="error: busy\n")
    host = hosts.build({**CMDLINE, **OSTREE}, commands={KARGS: answer})
    line = arguments(host).next
    assert isinstance(line, Missing)
    assert line.detail == "error: busy"
    assert isinstance(arguments(hosts.build({**CMDLINE, **OSTREE})).next, Missing)


def test_bootc_gets_what_is_staged_and_unknown_where_that_is_unreadable() -> None:
    files = {"/run/ostree-booted": "", "/usr/bin/bootc": ""}
    entries = {"/boot/loader/entries/ostree-1.conf": entry(1, "old=1")}
    assert following(hosts.build({**CMDLINE, **files, **entries})) == ("old=1",)
    path = "/run/ostree/staged-deployment"
    staged = {**CMDLINE, **files, **entries, path: "x"}
    assert isinstance(arguments(hosts.build(staged)).next, Missing)
    told = hosts.build({**staged, path: ostree_files.staged(["new=1"])})
    assert following(told) == ("new=1",)
    assert arguments(told).next_source == path


GRUBBY = {"/usr/sbin/grubby": ""}
TWO = {
    "/boot/loader/entries/m-6.9.0.conf": entry(0, "six9=1", "/vmlinuz-6.9.0"),
    "/boot/loader/entries/m-6.10.0.conf": entry(0, "six10=1", "/vmlinuz-6.10.0"),
    "/boot/loader/entries/m-0-rescue.conf": entry(0, "rescue=1"),
}


@for_each(
    ("grubenv", "words"),
    [
        ("saved_entry=m-6.9.0\n", ("six9=1",)),
        ("saved_entry=gone\n", ("six10=1",)),
        ("", ("six10=1",)),
    ],
)
def test_grubby_default(grubenv: str, words: tuple[str, ...]) -> None:
    files = {**CMDLINE, **GRUBBY, **TWO, "/boot/grub2/grubenv": grubenv}
    host = hosts.build(files)
    assert following(host) == words
    release = words[0].replace("six", "6.").replace("=1", ".0")
    assert Facts(host)[NextKernel].release == release


def test_grub_configured_and_next_differ_until_the_menu_is_made() -> None:
    files = {
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet new=1"\n',
        "/boot/grub/grub.cfg": "menuentry 'a' {\n\tlinux /vmlinuz-6.1 root=x old=1\n}",
    }
    boot = arguments(hosts.build({**CMDLINE, **files}))
    assert not isinstance(boot.next, Missing)
    assert not isinstance(boot.configured, Missing)
    assert boot.next.words == ("root=x", "old=1")
    assert boot.configured.words == ("quiet", "new=1")
    assert boot.configured_source == "/etc/default/grub"


@for_each(
    ("files", "kind"),
    [
        ({}, BootKind.UNKNOWN),
        ({"/etc/NIXOS": ""}, BootKind.NIXOS),
        ({"/usr/bin/kernelstub": ""}, BootKind.KERNELSTUB),
        ({"/etc/default/limine": ""}, BootKind.LIMINE),
        ({"/efi/loader/loader.conf": ""}, BootKind.SYSTEMD_BOOT),
        ({"/etc/default/grub": "", "/usr/sbin/update-grub": ""}, BootKind.GRUB),
        (
            {"/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f":
             "\x07\0\0\0" + "".join(f"{c}\0" for c in "systemd-boot 257")},
            BootKind.SYSTEMD_BOOT,
        ),
    ],
)  # fmt: skip
def test_stack(files: dict[str, str], kind: BootKind) -> None:
    stack = Facts(hosts.build({**CMDLINE, **files}))[BootStack]
    assert stack.kind is kind
    assert bool(stack.evidence) == (kind is not BootKind.UNKNOWN)


@for_each(
    "files",
    [
        {},
        {"/etc/NIXOS": ""},
        {"/boot/loader/loader.conf": "default gone\n"},
        {"/etc/default/grub": "", "/usr/sbin/update-grub": ""},
        {"/etc/default/grub": "", "/boot/grub/grub.cfg": "# empty\n"},
    ],
)
def test_what_no_file_says_is_unknown(files: dict[str, str]) -> None:
    host = hosts.build({**CMDLINE, **files})
    assert isinstance(arguments(host).next, Missing)
    with pytest.raises(MissingFact):
        _ = Facts(host)[NextKernel]


def test_denied_menu_is_denied() -> None:
    files = {"/etc/default/grub": "", "/usr/sbin/update-grub": ""}
    path = "/boot/grub/grub.cfg"
    host = hosts.build({**CMDLINE, **files, path: hosts.denied(path)})
    line = arguments(host).next
    assert isinstance(line, Missing)
    assert line.why is Why.DENIED


def test_kernelstub_and_limine() -> None:
    stub = '{"user": {"kernel_options": ["a=1"]}}'
    host = hosts.build(
        {**CMDLINE, "/usr/bin/kernelstub": "", "/etc/kernelstub/configuration": stub}
    )
    boot = arguments(host)
    assert isinstance(boot.next, Missing)
    assert [(line.words, source) for line, source in boot.candidates()] == [
        (("a=1",), "/etc/kernelstub/configuration"),
        (("now=1",), "/proc/cmdline"),
    ]
    limine = {"/etc/default/limine": 'KERNEL_CMDLINE[default]="b=1"\n'}
    configured = arguments(hosts.build({**CMDLINE, **limine})).configured
    assert not isinstance(configured, Missing)
    assert configured.words == ("b=1",)


def test_kernel_without_a_release_in_its_name_is_unknown() -> None:
    host = hosts.build({**CMDLINE, **systems.systemd_boot("quiet").files})
    with pytest.raises(MissingFact, match="release"):
        _ = Facts(host)[NextKernel]


def test_limine_and_nixos_write_the_next_boot_down() -> None:
    menu = "/kernel\npath: boot():/vmlinuz\ncmdline: next=1\n"
    limine = {"/etc/default/limine": "", "/boot/limine.conf": menu}
    assert following(hosts.build({**CMDLINE, **limine})) == ("next=1",)
    path = "/nix/var/nix/profiles/system/kernel-params"
    nixos = {"/etc/NIXOS": "", path: "next=2 loglevel=4\n"}
    host = hosts.build({**CMDLINE, **nixos})
    assert following(host) == ("next=2", "loglevel=4")
    assert arguments(host).configured_source == path


def test_container_has_no_next_boot() -> None:
    line = arguments(hosts.build({**CMDLINE, "/.dockerenv": ""})).next
    assert isinstance(line, Missing)
    assert "a container (docker)" in str(line.detail)


def test_staged_is_told() -> None:
    staged = {"/run/ostree/staged-deployment": "x"}
    boot = arguments(hosts.build({**CMDLINE, **OSTREE, **staged}))
    assert boot.staged == "/run/ostree/staged-deployment"
    assert arguments(hosts.build({**CMDLINE, **OSTREE})).staged == ""


def test_candidates_are_one_line_where_it_is_known() -> None:
    files = {"/boot/loader/entries/ostree-1.conf": entry(1, "next=1")}
    boot = arguments(hosts.build({**CMDLINE, **OSTREE, **files}))
    assert [line.words for line, _ in boot.candidates()] == [("next=1",)]
    with pytest.raises(MissingFact, match="no file says"):
        arguments(hosts.build(CMDLINE)).candidates()
