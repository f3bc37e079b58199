"""What is private is found where it stands, and what is public is not."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfio_doctor.host.redaction import secrets
from vfio_doctor.host.redaction.common_words import WORDS, is_common, is_distinct
from vfio_doctor.host.redaction.secret_forms import Secret

HOME = Path(__file__).resolve().parents[2] / "vfio_doctor"


@pytest.mark.parametrize(
    "text",
    [
        "user@1000.service",
        "dbus-:1.2@0.service",
        "modinfo version: 1.2.3.4",
        "BIOS 5.17.0.1",
        "127.0.0.1",
        "255.255.255.0",
        "::1",
        "0000:01:00.0",
        "10de:2204",
        "/home/linuxbrew/.linuxbrew",
        'KERNEL=="kvmfr0", OWNER="root"',
        'OWNER="$env{USER}"',
        "sig_key: 5A:3B:0C:9D:11:22:33:44:55",
        "3f786850e387550fdab836ed7e6dc881de23001b",
        "/run/user/1000",
    ],
)
def test_what_is_public(text: str) -> None:
    assert list(secrets.anywhere(text)) == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("root=LABEL=mydisk",), {("label", "mydisk")}),
        (("root=UUID=1A2B-3C4D",), {("uuid", "1A2B-3C4D")}),
        (("rd.lvm.lv=vg9/lvroot",), {("volume", "vg9"), ("volume", "lvroot")}),
        (("root=/dev/mapper/secret",), {("volume", "secret")}),
        (("root=/dev/nvme0n1p3",), set()),
        (("rootflags=subvol=root", "quiet", "iommu=pt"), set()),
        (
            ("cryptdevice=UUID=1A2B-3C4D:crypt9",),
            {("uuid", "1A2B-3C4D"), ("volume", "crypt9")},
        ),
        (
            ("inst.ks=http://files.example/ks",),
            {("host", "files.example"), ("host", "files"), ("domain", "example")},
        ),
    ],
)
def test_kernel_arguments(words: tuple[str, ...], found: set[tuple[str, str]]) -> None:
    assert {tuple(s) for s in secrets.in_words(words) if s.text} == found


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("To Be Filled By O.E.M.", False), ("0000000000", False), ("ABC123456", True)],
)
def test_serial_numbers(text: str, is_one: bool) -> None:
    assert secrets.is_serial(text) is is_one


@pytest.mark.parametrize("number", [999, 60600, 64055, 65534])
def test_system_accounts_are_no_people(number: int) -> None:
    assert not secrets.is_person(number)


def test_every_word_of_a_path_that_is_read_is_known() -> None:
    paths = set(_paths())
    assert len(paths) > 100
    words = {w for p in paths for w in re.findall(r"[A-Za-z][A-Za-z0-9]+", p)}
    hexadecimal = re.compile(r"[0-9a-f]*\d[0-9a-f]*")
    missing = {
        w for w in words if not is_common(w) and not hexadecimal.fullmatch(w.lower())
    }
    assert missing == set()


def _paths() -> Iterator[str]:
    """Yield every text in the code that looks like a path of a host."""
    for layer in ("facts", "host", "boot"):
        for file in (HOME / layer).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                text = node.value if isinstance(node, ast.Constant) else None
                if isinstance(text, str) and re.fullmatch(r"/[a-z][\w/.*-]+", text):
                    yield text


def test_a_common_word_is_never_distinct() -> None:
    assert not any(is_distinct(word) for word in WORDS)


FINDERS: list[Callable[[str], Iterator[Secret]]] = [
    secrets.in_passwd,
    secrets.in_group,
    secrets.in_hostname,
    secrets.in_hosts,
    secrets.in_machine_id,
    secrets.in_domain,
    secrets.in_log,
    secrets.in_serial,
    secrets.anywhere,
    lambda text: secrets.in_words(tuple(text.split())),
    lambda text: secrets.in_properties((("ID_SERIAL", text), ("X_SSID", text))),
    lambda text: secrets.disk_name("id", text),
]


@given(st.text(max_size=400))
def test_no_text_breaks_a_finder(text: str) -> None:
    for finder in FINDERS:
        assert all(isinstance(one, Secret) for one in finder(text))


TIRING = [
    *"a1:.-@/= \"'\n_%[",
    *("ab:", "::", "a.", "1.1.", "SSID ", "/libvirt/qemu/", "a/", "<name ", "<name>"),
    *("/home/", "password ", "a@", "a-", "//", "OWNER=", "by-id/a_"),
]


@pytest.mark.parametrize("end", ["", "@", "=", ">", "/libvirt/qemu/a"])
@pytest.mark.parametrize("text", TIRING)
def test_no_text_takes_long(text: str, end: str) -> None:
    # Patterns that go back and forth would take minutes here.
    whole = end + text * (20_000 // len(text)) + end
    started = time.process_time()
    for finder in FINDERS:
        list(finder(whole))
    assert time.process_time() - started < 2
