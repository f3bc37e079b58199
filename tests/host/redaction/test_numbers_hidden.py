"""Numbers that hang together tell of somebody; few of them, and releases, do not."""

from __future__ import annotations

import gc
import time

import pytest

from support.rows import for_each
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import Caller, Kind, Stat
from vfio_doctor.host.redaction import arguments, forms, scrub, selinux, udev_rules
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


@for_each("text", ["a b c", "1-1.2:1.0", "8086 (11)", "x.y", "252 (252.39-1)"])
def test_few_letters_and_numbers_stay(text: str) -> None:
    assert forms.in_parts(text, Names()) == text
