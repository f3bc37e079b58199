"""Numbers that hang together tell of somebody; few of them, and releases, do not."""

from __future__ import annotations

import gc
import time

import pytest

from support.rows import for_each
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import Caller, Kind, Stat
from vfio_doctor.host.redaction import (
    arguments,
    boot_entries,
    forms,
    paths,
    scrub,
    selinux,
    shell_files,
    udev_rules,
)
from vfio_doctor.host.redaction.names import Names
from vfio_doctor.host.redaction.redact import redact

KEPT = (
    *("6.1.0-28-amd64", "6.14.6-300.fc42.x86_64", "5.14.0-503.14.1.el9_5.x86_64"),
    *("5.3.18-150300.59.185-default", "42.20241120.0", "550.54.14", "2024.11.01"),
    *("6.8.0-1016-raspi", "0000:01:00.0", "pci-0000:00:1f.2-ata-1", "1-1.2:1.0"),
    *("6.8.12-5-pve", "6.12.0-124.8.1.el10_1", "pci0000:00", "240:0", "99-x.rules"),
)
HIDDEN = (
    *("257-446-4815", "4111-1111-1111-1111", "714-77-7469", "12345.67890.12345"),
    *("9672.3367.3546", "h-D-a-v-J-A-r", "王", "10.20.30.40", "10.20.30.40.conf"),
    *("6.1.0-133.198.215.55", "90102.21.163.184", "97:68:68:64:72:53"),
)
VALUES = (
    "console=ttyS0,{}",
    "kvm.report_ignored_msrs={}",
    "vfio-pci.ids={}",
    "video={}",
)
ADDRESSES = ("10.20.30.40", "97:68:68:64:72:53", "fe80:0:0::1:2", "de:ad:be:ef:00:11")
MAPPED = "::ffff:97.153.75.57"


@for_each("text", KEPT)
def test_releases_and_devices_stay(text: str) -> None:
    assert forms.in_parts(text, Names()) == text


@for_each("text", HIDDEN)
def test_what_tells_of_somebody_goes(text: str) -> None:
    assert text.removesuffix(".conf") not in forms.in_parts(text, Names())
    assert text.removesuffix(".conf") not in scrub.words(text, Names())


@for_each(
    ("form", "address"), [(form, address) for form in VALUES for address in ADDRESSES]
)
def test_no_argument_holds_an_address(form: str, address: str) -> None:
    assert address not in arguments.word(form.format(address), Names())


def test_of_a_mapped_address_no_number_stays() -> None:
    assert forms.in_parts(MAPPED, Names()) == "2001:db8::1"


@for_each(
    ["pattern", "kept"],
    [
        ("0000:01:00.*", True),
        ("0000:01:00.[0-7]", True),
        ("0000:01:00.*|0000:02:00.1", True),
        ("/etc/5875:6536::c", False),
        ("97:68:68:64:72:53", False),
    ],
)
def test_a_match_names_devices_and_no_addresses(pattern: str, kept: bool) -> None:
    line = (
        f'SUBSYSTEM=="pci", KERNEL=="{pattern}", ATTR{{driver_override}}="vfio-pci"\n'
    )
    assert (pattern in udev_rules.rules(line, Names())) == kept


def test_the_address_of_a_device_ends_a_row_of_numbers() -> None:
    path = "../x/0000:02:00.0/nvme/nvme0"
    assert paths.path(path, Names()) == path


@for_each("number", ["12345.67890.12345", "9672.3367.3546"])
def test_no_argument_of_words_holds_a_long_number(number: str) -> None:
    assert number not in arguments.word(f"console=ttyS0,{number}", Names())


def test_a_file_tells_neither_its_size_nor_numbers_for_owners() -> None:
    capture = Capture.empty("x", Caller(1000))
    own = Stat(Kind.FILE, 0o644, 1000, 1000, size=100_003, user="4711", group="0815")
    capture.stats["/dev/shm/looking-glass"] = own
    (found,) = redact(capture).capture.stats.values()
    assert isinstance(found, Stat)
    assert found.size == 1 << 17
    assert (found.user, found.group) != ("4711", "0815")


def test_a_label_keeps_categories_and_no_other_number() -> None:
    label = selinux.label("system_u:object_r:4711:s0:c12,c34", Names())
    assert "4711" not in label
    assert label.endswith(":s0:c12,c34")


@pytest.mark.slow
def test_long_chains_take_linear_time() -> None:
    def of(size: int) -> float:
        # What other tests hold would be looked through for garbage.
        gc.disable()
        try:
            started = time.process_time()
            forms.in_parts("1-" * size + "x", Names())
            forms.in_parts("1" * size + "x", Names())
            return time.process_time() - started
        finally:
            gc.enable()

    # Smaller ones fit into the processor's caches, and say nothing of these.
    assert any(of(1 << 17) < 3 * of(1 << 16) for _ in range(4))


@for_each("address", ADDRESSES)
def test_an_address_that_a_rule_matches_goes_whole(address: str) -> None:
    rule = f'SUBSYSTEM=="vfio", KERNELS=="{address}|*{address}*", MODE="0660"\n'
    left = udev_rules.rules(rule, Names())
    assert 'SUBSYSTEM=="vfio", KERNELS=="hidden' in left
    assert address not in left
    assert address[:8] not in left


@for_each(
    "text",
    ["h a n n e", "h.a.n.n.e", "+49 (89) 1234 567", "(89) 123-4567", "1 2 3 (4567)"],
)
def test_what_is_spelt_or_bracketed_hangs_together(text: str) -> None:
    assert forms.in_parts(text, Names()) in ("name1", "+name1", "(name1", "name1)")


@for_each(
    "text",
    [
        *("089,123,456,78", "0171/1234567/8", "089|123|4567", "089 - 123 - 4567"),
        *(
            "(089)(123)(4567)",
            "[089][123][4567]",
            "h/a/n/n/e",
            "h,a,n,n,e",
            "h*a*n*n*e",
        ),
        *("%68%61%6e%6e%65", "=68=61=6E=6E=65", "\\150\\141\\156\\156\\145"),
        *("&#104;&#97;&#110;&#110;", "\\x68\\x61\\x6e", "\\u0068\\u0061\\u006e"),
        *("0x68,0x61,0x6e,0x6e,0x65", "104;97;110;110;101", "1/2/3/4/5/6/7"),
        *("h\0a\0n\0n\0e", "h(a(n(n(e", "h   a   n   n   e"),
    ],
)
def test_no_sign_between_numbers_and_letters_makes_them_pass(text: str) -> None:
    for shown in (
        forms.in_parts(text, Names()),
        paths.path(f"/boot/{text}/vmlinuz", Names()),
        paths.path(text, Names()),
        boot_entries.entry(f"initrd /boot/{text}\n", Names()),
        boot_entries.grub_menu(f"initrd /boot/{text}\n", Names()),
        shell_files.shell_file(f'GRUB_DEFAULT="{text}"\n', Names()),
        udev_rules.rules(f'KERNEL=="kvmfr0", SYMLINK+="{text}"\n', Names()),
        udev_rules.rules(f'KERNEL=="kvmfr0", ATTR{{serial}}=="{text}"\n', Names()),
    ):
        assert _spelt(text) not in _spelt(shown)


def _spelt(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def test_spaced_letters_of_a_path_of_an_entry_go() -> None:
    entry = boot_entries.entry("initrd /boot/ h a n n e /x\n", Names())
    assert _spelt("hanne") not in _spelt(entry)


@for_each("text", ["kvm: 089,123,456,78 x", "kvm 089(123)4567", "kvm h|a|n|n|e"])
def test_no_row_in_a_log_passes(text: str) -> None:
    assert scrub.words(text, Names()).startswith("kvm")
    assert _spelt(text)[3:12] not in _spelt(scrub.words(text, Names()))


@for_each(
    "text",
    [
        "vfio_pci: add [1002:1478] class 0x030000",
        "BAR 1: [mem 0xe0000000-0xefffffff 64bit pref]",
        "DMAR: DRHD base: 0x000000fed90000 flags: 0x0",
        "options vfio-pci ids=1002:1478,1002:1479",
    ],
)
def test_rows_of_the_kernel_stay(text: str) -> None:
    assert scrub.words(text, Names()) == text


@for_each(
    "text",
    [
        "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.2/1-1.2:1.0",
        "/dev/bus/usb/001/002",
        "/sys/bus/pci/devices/0000:01:00.0/0000:01:00.1/iommu_group",
        "/lib/modules/6.1.0-28-amd64/kernel/drivers/vfio/vfio.ko.xz",
        "/ostree/boot.1/fedora/0",
    ],
)
def test_paths_of_devices_and_kernels_stay(text: str) -> None:
    assert paths.path(text, Names()) == text


@for_each("text", ["a b c", "1-1.2:1.0", "8086 (11)", "x.y", "252 (252.39-1)"])
def test_few_letters_and_numbers_stay(text: str) -> None:
    assert forms.in_parts(text, Names()) == text


@for_each("before", ["1*", "9?", "x|8", ""])
def test_an_address_behind_a_number_goes_whole(before: str) -> None:
    rule = f'SUBSYSTEM=="vfio", KERNELS=="{before}28:75:29:88:18:43", MODE="0660"\n'
    assert "75:29:88" not in udev_rules.rules(rule, Names())
