"""Back ends that edit files: what changes, and that nothing else does."""

import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.boot.backend import ArgumentEdit, BootBackend
from vfio_doctor.boot.grub import Grub
from vfio_doctor.boot.limine import NEW_ENTRIES, Limine
from vfio_doctor.boot.systemd_boot import SystemdBoot
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing
from vfio_doctor.model import CommandStep, FileStep, KernelArguments
from vfio_doctor.parse import cmdline

WANTED = KernelArguments(set_=("kvm.report_ignored_msrs=0",), remove=("iommu=off",))


def edit_of(
    backend: BootBackend, host: CapturedHost, change: KernelArguments = WANTED
) -> ArgumentEdit:
    words = backend.read(host)
    assert not isinstance(words, Missing), words
    return ArgumentEdit(words, cmdline.apply(words, change))


def applied(backend: BootBackend, host: CapturedHost) -> CapturedHost:
    steps = backend.steps(host, edit_of(backend, host))
    files = {s.path: s.after for s in steps if isinstance(s, FileStep) and s.after}
    return hosts.changed(host, files=files)


GRUB_FILES = [
    pytest.param(
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=off"\nGRUB_CMDLINE_LINUX=""\n',
        'GRUB_CMDLINE_LINUX_DEFAULT="quiet kvm.report_ignored_msrs=0"\n'
        'GRUB_CMDLINE_LINUX=""\n',
        id="double quotes",
    ),
    pytest.param(
        "GRUB_CMDLINE_LINUX_DEFAULT='quiet'\nGRUB_CMDLINE_LINUX='iommu=off a'\n",
        "GRUB_CMDLINE_LINUX_DEFAULT='quiet kvm.report_ignored_msrs=0'\n"
        "GRUB_CMDLINE_LINUX='a'\n",
        id="single quotes, the other key",
    ),
    pytest.param(
        "  GRUB_CMDLINE_LINUX_DEFAULT=quiet\n",
        '  GRUB_CMDLINE_LINUX_DEFAULT="quiet kvm.report_ignored_msrs=0"\n',
        id="bare and indented",
    ),
    pytest.param(
        '#GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
        '#GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'
        'GRUB_CMDLINE_LINUX_DEFAULT="kvm.report_ignored_msrs=0"\n',
        id="commented out",
    ),
    pytest.param(
        'GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on,sm_on kvm.report-ignored-msrs=1"\n',
        'GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on,sm_on kvm.report_ignored_msrs=0"\n',
        id="a list and the other spelling",
    ),
    pytest.param(
        'GRUB_CMDLINE_LINUX_DEFAULT=""',
        'GRUB_CMDLINE_LINUX_DEFAULT="kvm.report_ignored_msrs=0"',
        id="empty, no newline at the end",
    ),
]


@for_each(("before", "after"), GRUB_FILES)
def test_grub(before: str, after: str) -> None:
    host = hosts.build({"/etc/default/grub": before, "/usr/sbin/update-grub": ""})
    undo_only, edit, make = Grub().steps(host, edit_of(Grub(), host))
    assert edit == FileStep("/etc/default/grub", before.encode(), after.encode())
    assert isinstance(undo_only, CommandStep)
    assert isinstance(make, CommandStep)
    assert (undo_only.argv, undo_only.inverse) == ((), ("update-grub",))
    assert (make.argv, make.inverse) == (("update-grub",), ())


def test_grub_drop_in_extends_what_the_main_file_sets() -> None:
    host = hosts.build(
        {
            "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
            "/etc/default/grub.d/50-x.cfg": "GRUB_CMDLINE_LINUX_DEFAULT="
            '"$GRUB_CMDLINE_LINUX_DEFAULT iommu=off"\n',
            "/usr/sbin/update-grub": "",
        }
    )
    assert Grub().read(host) == ("quiet", "iommu=off")
    after = applied(Grub(), host)
    assert Grub().read(after) == ("quiet", "kvm.report_ignored_msrs=0")


def test_grub_one_of_two_equal_words_goes() -> None:
    text = 'GRUB_CMDLINE_LINUX_DEFAULT="a=1"\nGRUB_CMDLINE_LINUX="a=1"\n'
    host = hosts.build({"/etc/default/grub": text, "/usr/sbin/update-grub": ""})
    steps = Grub().steps(host, ArgumentEdit(("a=1", "a=1"), ("a=1",)))
    files = [s.after for s in steps if isinstance(s, FileStep)]
    assert files == [b'GRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_CMDLINE_LINUX="a=1"\n']


def test_grub_mkconfig_where_there_is_no_update_grub() -> None:
    files = {"/etc/default/grub": "", "/boot/grub2/grub.cfg": ""}
    *_, make = Grub().steps(hosts.build(files), ArgumentEdit((), ("a",)))
    assert isinstance(make, CommandStep)
    assert make.argv == ("grub2-mkconfig", "-o", "/boot/grub2/grub.cfg")


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"/etc/default/grub": ""}, id="no menu maker"),
        pytest.param(
            {"/etc/default/grub": "GRUB_CMDLINE_LINUX=\"a\"'b'\n"}, id="two parts"
        ),
    ],
)
def test_grub_says_what_to_do_by_hand(files: dict[str, str]) -> None:
    with pytest.raises(CannotFix):
        Grub().steps(hosts.build(files), ArgumentEdit(("a", "b"), ("b", "c")))


def test_grub_a_value_only_a_shell_can_read_is_unknown() -> None:
    host = hosts.build({"/etc/default/grub": 'GRUB_CMDLINE_LINUX="$(x)"\n'})
    assert isinstance(Grub().read(host), Missing)


ENTRY = "title Arch\nlinux /vmlinuz\noptions   root=x rw  iommu=off -- single\n"


def test_systemd_boot_edits_the_default_entry_and_the_line_for_new_kernels() -> None:
    host = hosts.build(
        {
            "/boot/loader/loader.conf": "timeout 3\ndefault arch.conf\n",
            "/boot/loader/entries/arch.conf": ENTRY,
            "/boot/loader/entries/zen.conf": ENTRY,
            "/etc/kernel/cmdline": "root=x rw iommu=off\n",
        }
    )
    entry, line = SystemdBoot().steps(host, edit_of(SystemdBoot(), host))
    assert isinstance(entry, FileStep)
    assert isinstance(line, FileStep)
    assert entry.path == "/boot/loader/entries/arch.conf"
    assert entry.after == (
        b"title Arch\nlinux /vmlinuz\n"
        b"options   root=x rw  kvm.report_ignored_msrs=0 -- single\n"
    )
    assert line.after == b"root=x rw kvm.report_ignored_msrs=0\n"


@for_each(
    ("loader", "chosen"),
    [
        ("default arch*\n", "arch-2.conf"),
        ("default arch-1.conf\n", "arch-1.conf"),
        ("default @saved\n", "zen.conf"),
        ("", "zen.conf"),
    ],
)
def test_systemd_boot_default(loader: str, chosen: str) -> None:
    entries = {f"/boot/loader/entries/{n}.conf": n for n in ("arch-1", "arch-2", "zen")}
    text = {path: f"options {name}\n" for path, name in entries.items()}
    host = hosts.build({"/boot/loader/loader.conf": loader, **text})
    assert SystemdBoot().read(host) == (chosen.removesuffix(".conf"),)


def test_systemd_boot_entry_chosen_in_the_menu_wins() -> None:
    variable = "LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    host = hosts.build(
        {
            "/boot/loader/entries/a.conf": "options a\n",
            "/boot/loader/entries/b.conf": "options b\n",
            f"/sys/firmware/efi/efivars/{variable}": b"\x07\0\0\0"
            + "a.conf\0".encode("utf-16-le"),
        }
    )
    assert SystemdBoot().read(host) == ("a",)


def test_limine_edits_its_words_and_makes_the_entries_anew() -> None:
    text = 'KERNEL_CMDLINE[default]+="quiet iommu=off"\nESP_PATH="/boot"\n'
    host = hosts.build({"/etc/default/limine": text, "/usr/bin/limine-update": ""})
    _, edit, make = Limine().steps(host, edit_of(Limine(), host))
    assert isinstance(edit, FileStep)
    assert edit.after == (
        b'KERNEL_CMDLINE[default]+="quiet kvm.report_ignored_msrs=0"\n'
        b'ESP_PATH="/boot"\n'
    )
    assert make == CommandStep(("limine-update",), why=NEW_ENTRIES)


def test_limine_takes_out_of_the_file_that_has_the_word() -> None:
    host = hosts.build(
        {
            "/etc/limine-entry-tool.d/10-vendor.conf": "# theirs\n"
            'KERNEL_CMDLINE[default]+="splash iommu=off"\n',
            "/etc/default/limine": 'ESP_PATH="/boot"\n',
            "/usr/bin/limine-update": "",
        }
    )
    assert Limine().read(host) == ("splash", "iommu=off")
    steps = Limine().steps(host, edit_of(Limine(), host))
    files = {s.path: s.after for s in steps if isinstance(s, FileStep)}
    assert files == {
        "/etc/limine-entry-tool.d/10-vendor.conf": b"# theirs\n"
        b'KERNEL_CMDLINE[default]+="splash"\n',
        "/etc/default/limine": b'ESP_PATH="/boot"\n'
        b'KERNEL_CMDLINE[default]+=" kvm.report_ignored_msrs=0"\n',
    }
    after = applied(Limine(), host)
    assert Limine().read(after) == ("splash", "kvm.report_ignored_msrs=0")


def test_limine_a_word_that_is_in_no_file_is_said_so() -> None:
    files = {"/etc/default/limine": "", "/usr/bin/limine-update": ""}
    with pytest.raises(CannotFix, match="iommu=off"):
        Limine().steps(hosts.build(files), ArgumentEdit(("iommu=off",), ()))


def test_limine_by_hand_is_said_so() -> None:
    host = hosts.build({"/boot/limine.conf": "cmdline: quiet\n"})
    with pytest.raises(CannotFix, match="cmdline"):
        Limine().steps(host, ArgumentEdit((), ("a",)))
