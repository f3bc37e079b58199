"""Each format keeps what its readers ask for, and the shape of the rest."""

from __future__ import annotations

import pytest

from support.effort import on_hosts
from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load as registry
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.collection import FILES, GLOBS, VENDOR_GLOBS
from vfio_doctor.host.commands import LISTED
from vfio_doctor.host.reader import Caller, CommandResult, Missing
from vfio_doctor.host.redaction import accounts, arguments, formats, paths, programs
from vfio_doctor.host.redaction.names import Names
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.parse import cmdline, kernel_log, modprobe, shell_assignment
from vfio_doctor.parse.staged_deployment import StagedDeployment, parse, write
from vfio_doctor.parse.udev_rules import parse_udev_rules

NOBODY = accounts.Needed(frozenset(), frozenset(), frozenset())


def file(path: str, text: str) -> str:
    made = formats.file(path, text.encode(), Names(), NOBODY)
    assert made is not None
    return made.decode()


@for_each(
    ("text", "kept"),
    [
        ("quiet rhgb ro", "quiet rhgb ro"),
        ("intel_iommu=on,sm_on iommu=pt", "intel_iommu=on,sm_on iommu=pt"),
        ("iommu=offside", "iommu=offhidden1-s"),
        ("kvm.report_ignored_msrs=Nope", "kvm.report_ignored_msrs=Nhidden1-s"),
        ("kvmfr.static_size_mb=64,128", "kvmfr.static_size_mb=64,128"),
        ("vfio-pci.ids=10de:2204,10de:1aef", "vfio-pci.ids=10de:2204,10de:1aef"),
        ("vfio_pci=ids=10de:2204", "vfio_pci=ids=10de:2204"),
        ("vfio-pci.ids:10de:2204", "vfio-pci.ids:10de:2204"),
        ("VFIO-PCI.ids=10de:2204;10de:1", "VFIO-PCI.ids=10de:2204;10de:1"),
        ("ids=0x10de:0x2204", "ids=0x10de:0x2204"),
        ("vfio_pci_ids=10de:2204", "vfio_pci_ids=10de:2204"),
        (
            "ip=10.1.2.3::x a=b,c,b",
            "ip=hidden1-m hidden2-s=hidden3-s,hidden4-s,hidden3-s",
        ),
        ('dyndbg="file x +p"', 'hidden1-s="hidden2-m"'),
        ('"a b=c d" tail', '"hidden1-s=hidden2-s" hidden3-s'),
        ('open="quote never closed', 'hidden1-s="hidden2-m'),
        ("ro -- single secret", "ro -- single hidden1-s"),
        ('root=UUID=12"34 quiet x', "root=hidden1-m"),
        ('a="b"=c quiet', "hidden1-s=hidden2-s quiet"),
        ('"a b=c"d quiet', "hidden1-s=hidden2-s quiet"),
        ("root=UUID=5f2c8d1b-e3a9-4f07-b6d8-c9e0a1b2c3d4", None),
        ("BOOT_IMAGE=(hd0,gpt2)/boot/vmlinuz-6.1.0-28-amd64", None),
        ("ostree=/ostree/boot.1/default/0/0", None),
        ("  two\tblanks\n", "  hidden1-s\thidden2-s\n"),
        ("x_kvmfr_y", "hidden1-m-kvmfr"),
    ],
)
def test_arguments(text: str, kept: str | None) -> None:
    made = arguments.line(text, Names())
    if kept is not None:
        assert made == kept
    old, new = cmdline.parse(text), cmdline.parse(made)
    assert len(new.arguments) == len(old.arguments)
    assert len(new.init) == len(old.init)
    for before, after in zip(old.arguments, new.arguments, strict=True):
        assert len(before.items) == len(after.items)
        assert (before.value is None) == (after.value is None)


def test_a_value_has_one_stand_in_everywhere() -> None:
    names = Names()
    first = names.name("host", "wonderbox")
    assert names.hidden("wonderbox") == names.name("vm", "wonderbox") == first
    assert names.hidden("Wonderbox") != first
    assert names.typed("mac", "AA:BB:CC:DD:EE:FF") == names.typed(
        "mac", "aa:bb:cc:dd:ee:ff"
    )


@for_each(("size", "letter"), [(1, "s"), (8, "s"), (9, "m"), (33, "l"), (129, "x")])
def test_a_stand_in_tells_how_long_about_the_value_was(size: int, letter: str) -> None:
    assert Names().hidden("q" * size) == f"hidden1-{letter}"


RULES = """\
# a comment
SUBSYSTEM=="block", KERNEL=="sd*", OWNER="bob"
ACTION!="remove", SUBSYSTEM=="kvmfr", OWNER="bob", GROUP="kvm", \\
  MODE="0660", TAG+="uaccess"
SUBSYSTEM=="kvmfr" OWNER=bob
KERNEL=="kv*|secret*", SYMLINK+="mine"

LABEL="end"
"""


def test_rules_keep_their_lines() -> None:
    made = file("/etc/udev/rules.d/70-x.rules", RULES)
    old, new = parse_udev_rules(RULES).lines, parse_udev_rules(made).lines
    assert [(r.first, r.last) for r in old[1:]] == [(r.first, r.last) for r in new]
    assert [bool(r.problem) for r in old[1:]] == [bool(r.problem) for r in new]
    assert made.split("\n")[:2] == ["#", "#"]
    assert 'SUBSYSTEM=="kvmfr" OWNER=user1' in made
    assert 'OWNER="user1", GROUP="kvm", MODE="0660", TAG+="uaccess"' in made
    assert 'KERNEL=="kv*|hidden' in made
    assert len(made.split("\n")) == len(RULES.split("\n"))


def test_files_keep_their_order() -> None:
    rules = [f"/etc/udev/rules.d/{n}" for n in ("99-anna.rules", "99-zoe.rules")]
    known = [f"/etc/udev/rules.d/{n}" for n in ("99-kvmfr.rules", "70-uaccess.rules")]
    names = Names()
    paths.order_files([*rules, *known, "/etc/udev/rules.d/70-zz.rules"], names)
    shown = [paths.path(path, names) for path in sorted([*rules, *known])]
    assert shown == sorted(shown)
    assert "/etc/udev/rules.d/99-kvmfr.rules" in shown
    assert not any("anna" in path or "zoe" in path for path in shown)


def test_modprobe_keeps_directives_and_faults() -> None:
    text = (
        "# by bob\n#options kvmfr static_size_mb=64\noptions kvmfr static_size_mb=1x\n"
        "install kvm /bin/false\nsoftdep vfio-pci pre: acme\noptoins kvmfr x=1\n"
    )
    made = file("/etc/modprobe.d/a.conf", text)
    old, new = modprobe.parse(text), modprobe.parse(made)
    assert [(d.line, d.word) for d in old.directives] == [
        (d.line, d.word) for d in new.directives
    ]
    assert [(p.line, p.kind) for p in old.problems] == [
        (p.line, p.kind) for p in new.problems
    ]
    assert made.startswith("#\n#options kvmfr static_size_mb=64\n")
    assert "/bin/false" in made


@for_each(
    "text",
    [
        'GRUB_CMDLINE_LINUX="quiet a=b"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX c"\n',
        "GRUB_CMDLINE_LINUX='quiet'\"x\"\n",
        'GRUB_CMDLINE_LINUX="quiet $(cat /x)"\n',
        'GRUB_CMDLINE_LINUX="a \\\n b"\nexport GRUB_CMDLINE_LINUX\n',
        "GRUB_CMDLINE_LINUX=quiet\n",
        'GRUB_CMDLINE_LINUX="never closed\n',
        'GRUB_CMDLINE_LINUX+=" iommu=pt"\nif true; then\n. /etc/x\nfi\n',
    ],
)
def test_grub_reads_the_same(text: str) -> None:
    made = file("/etc/default/grub", text)
    old = shell_assignment.assignments(text, "GRUB_CMDLINE_LINUX")
    new = shell_assignment.assignments(made, "GRUB_CMDLINE_LINUX")
    assert len(old) == len(new)
    for before, after in zip(old, new, strict=True):
        assert before.operator == after.operator
        assert before.whole == after.whole
        assert len(before.pieces) == len(after.pieces)
        assert (before.words is None) == (after.words is None)
    for word in ("if", "fi", ".", "export"):
        assert made.split().count(word) == text.split().count(word)


@for_each(
    ("path", "text"),
    [
        ("/etc/udev/rules.d/9.rules", "# for kvmfr\n"),
        ("/etc/modprobe.d/a", "# bob: kvmfr here\n"),
        ("/etc/modules-load.d/a.conf", "; kvmfr\n"),
        ("/etc/looking-glass-client.ini", "; shm=/dev/kvmfr0\n"),
        ("/etc/libvirt/qemu/a.xml", "<domain><!-- kvmfr --></domain>"),
        ("/etc/libvirt/qemu/a.xml", "<domain><own><x>\n/dev/kvmfr0</x></own></domain>"),
        ("/etc/libvirt/qemu/a.xml", "<domain><odd at='/dev/kvmfr0'/></domain>"),
        ("/proc/cmdline", "own.word=/dev/kvmfr0"),
        ("/etc/udev/rules.d/9.rules", 'SUBSYSTEM=="kvmfr" and more\n'),
    ],
)
def test_whether_a_file_names_kvmfr_stays(path: str, text: str) -> None:
    made = file(path, text)
    assert "kvmfr" in made
    assert made.count("\n") == text.count("\n")
    assert "bob" not in made


LOG = (
    "[    0.1] DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR",
    "[    0.1] AMD-Vi: Error initialization",
    "[    0.1] pci 0000:01:00.0: Adding to iommu group 12",
    "[    0.1] DMAR-IR: Enabled IRQ remapping in x2apic mode",
    "[    0.1] vfio-pci 0000:01:00.0: BAR 1: can't reserve [mem 0xe0000000-0xefffffff]",
    "[    0.1] vfio-pci: probe of 0000:01:00.0 failed with error -22",
    "[    0.1] kvmfr: unknown parameter 'size' ignored",
    "[    0.1] kvmfr: `sixty' invalid for parameter `static_size_mb'",
    "[    0.1] static_size_mb: can only take 10 arguments",
    "[    0.1] Loading of unsigned module is rejected",
    "[    0.1] Lockdown: modprobe: unsigned module loading is restricted; see man",
    "[    0.1] kvmfr: version magic '6.1 SMP' should be '6.2 SMP'",
    "[    0.1] kvmfr: disagrees about version of symbol module_layout",
    "[    0.1] kvmfr: creating 0 static devices",
    "[    0.1] ACPI: IVRS 0x00000000DC0E4000 0001A4 (v02 AMD    AmdTable 00000001)",
    "[    0.1] AMD-Vi: Found IOMMU cap 0x40",
    "[    0.1] DMAR: IOMMU enabled",
    "[    0.1] DMAR-IR: x2apic is disabled because BIOS sets x2apic opt out bit.",
    "[    0.1] [drm] Initialized simpledrm 1.0.0 20200625 for simple-framebuffer.0",
)


@for_each("line", LOG)
def test_the_log_says_the_same(line: str) -> None:
    text = f"[    0.0] a line about bob's phone\n{line}\n"
    made = programs.command(
        ("dmesg",), CommandResult(("dmesg",), 0, text, ""), Names(), NOBODY
    )
    assert isinstance(made, CommandResult)
    old, new = kernel_log.parse(text), kernel_log.parse(made.stdout)
    assert [(m.conclusion, m.module, m.device) for m in old.matches] == [
        (m.conclusion, m.module, m.device) for m in new.matches
    ]
    assert old._replace(matches=()) == new._replace(matches=())
    assert "bob" not in made.stdout
    assert made.stdout.endswith("# vfio-doctor: 1 lines left out\n")


def test_a_staged_deployment_is_written_as_it_is_read() -> None:
    staged = StagedDeployment(
        ("quiet", "rd.luks.key=/secret", "x" * 300), (("a", "b"),)
    )
    assert parse(write(staged)) == staged
    path = "/run/ostree/staged-deployment"
    made = formats.file(path, write(staged), Names(), NOBODY)
    found = parse(made or b"")
    assert found is not None
    assert found.words[:2] == ("quiet", "rd.luks.key=hidden2-s")
    assert formats.file(path, b"junk", Names(), NOBODY) == b"?"


@for_each(
    ("alias", "kept"),
    [
        ("pci:v00001022d00001482sv00001043sd00008810bc03sc00i00", True),
        ("pci:v00001022d00001482", True),
        ("pci:v00001022d00001482sv00001043sd00008810bc03sc00i00wonderbox", False),
        ("pci:v00001022d00001482wonderbox", False),
    ],
)
def test_an_alias_is_kept_if_it_is_numbers_alone(alias: str, kept: bool) -> None:
    shown = file("/sys/bus/pci/devices/0000:01:00.0/uevent", f"MODALIAS={alias}\n")
    assert (alias in shown) is kept
    assert "wonderbox" not in shown


def test_a_file_of_no_known_format_does_not_leave_the_host() -> None:
    capture = Capture.empty("x", Caller(1000))
    capture.files["/root/.ssh/id_ed25519"] = b"secret"
    capture.files["/run/ostree-booted"] = b""
    made = redact(capture)
    (key,) = (p for p in made.capture.files if "ssh" in p or "name" in p)
    kept = made.capture.files[key]
    assert isinstance(kept, Missing)
    assert "at most 8 bytes" in str(kept.detail)
    assert made.capture.files["/run/ostree-booted"] == b""
    assert made.left_out == (("file of no known format", 1),)


def test_disks_in_use_are_kept_and_what_they_are_called_is_not() -> None:
    text = (
        "/dev/nvme0n1p2 / ext4 rw,relatime 0 0\n"
        "/dev/mapper/smith-photos /mnt/holiday btrfs rw 0 0\n"
        "tank/secret /srv/x zfs rw 0 0\n"
        "hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n"
        "nas.example.org:/vol /mnt/nas nfs4 rw 0 0\n"
    )
    shown = formats.mounts(text, Names())
    lines = shown.splitlines()
    assert lines[0] == "/dev/nvme0n1p2 / ext4 rw 0 0"
    assert lines[1].startswith("/dev/mapper/")
    assert lines[2].startswith("pool /hidden")
    assert lines[3].startswith("hugetlbfs /dev/hugepages")
    assert len(lines) == 4
    for private in ("smith", "photos", "holiday", "tank", "secret", "srv", "nas"):
        assert private not in shown
    assert formats.mounts(shown, Names(shown)) == shown


def test_what_the_system_lies_on_is_kept_and_its_server_is_not() -> None:
    text = (
        "/dev/sda1:/dev/smith / bcachefs rw 0 0\nnas.example.org:/x /usr nfs4 rw 0 0\n"
    )
    shown = formats.mounts(text, Names())
    assert shown.splitlines()[0].startswith("/dev/sda1:/dev/volume")
    assert shown.splitlines()[0].endswith(" / bcachefs rw 0 0")
    assert shown.splitlines()[1] == "share /usr nfs4 rw 0 0"
    assert formats.mounts(shown, Names(shown)) == shown


@for_each("pattern", [*FILES, *GLOBS, *VENDOR_GLOBS])
def test_all_that_is_collected_has_a_format(pattern: str) -> None:
    path = pattern.replace("card*-*", "card0-DP-1").replace("*", "0")
    assert formats.file(path, b"0\n", Names(), NOBODY) is not None


@for_each("pattern", [*FILES, *GLOBS, *VENDOR_GLOBS])
def test_all_that_is_collected_is_found_again(pattern: str) -> None:
    path = pattern.replace("*", "-")
    named = ("/etc/libvirt/qemu/*.xml", "/etc/libvirt/hooks/qemu.d/*")
    assert (paths.path(path, Names()) == path) is (pattern not in named)


@for_each("argv", LISTED)
def test_every_command_that_may_be_run_has_a_format(argv: tuple[str, ...]) -> None:
    said = CommandResult(argv, 0, "own words\n", "")
    assert programs.command(argv, said, Names(), NOBODY) is not None
    assert programs.words(argv, Names())[0] == argv[0]


@pytest.mark.parametrize("name", on_hosts(catalogue.names()))
def test_every_parameter_that_is_asked_for_is_known(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for a new parameter adds it to what redaction lets through."""
    asked: set[str] = set()
    plain = cmdline.CommandLine.values

    def values(line: cmdline.CommandLine, key: str) -> tuple[str | None, ...]:
        asked.add(key)
        return plain(line, key)

    monkeypatch.setattr(cmdline.CommandLine, "values", values)
    facts = Facts(catalogue.host(name), Options(areas=("kvmfr",)))
    diagnose(facts, registry())
    assert [key for key in asked if arguments.key(key, Names()) != key] == []
