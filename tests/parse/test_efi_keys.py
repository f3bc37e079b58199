"""Certificates in the firmware's lists, made by the real openssl too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.tools import found
from vfio_doctor.parse.efi_keys import (
    HEAD,
    OWNER,
    X509,
    Certificate,
    certificates,
    written,
)

SHA256 = bytes.fromhex("2616c4c14c509240aca941f936934328")


def listed(*entries: bytes, kind: bytes = X509) -> bytes:
    """A list of entries that are equally long."""
    each = OWNER + len(entries[0])
    sizes = (HEAD + each * len(entries), 0, each)
    head = b"".join(size.to_bytes(4, "little") for size in sizes)
    return kind + head + b"".join(bytes(OWNER) + entry for entry in entries)


@pytest.mark.needs_tool("openssl")
@pytest.mark.runs("openssl")
def test_what_openssl_made(tmp_path: Path) -> None:
    ders = []
    for serial, subject in ((0x1234, "/CN=DKMS module signing key"), (7, "/O=a/CN=b")):
        path = tmp_path / f"{serial}.der"
        argv = [
            *(found("openssl"), "req", "-new", "-x509", "-newkey", "rsa:1024"),
            *("-nodes", "-subj", subject, "-set_serial", str(serial)),
            *("-keyout", str(tmp_path / "key"), "-outform", "DER", "-out", str(path)),
        ]
        subprocess.run(argv, check=True, capture_output=True)
        ders.append(path.read_bytes())
    data = b"".join((listed(bytes(32), kind=SHA256), *map(listed, ders)))
    assert certificates(data) == (
        Certificate("1234", "DKMS module signing key"),
        Certificate("7", "b"),
    )


@given(st.lists(st.tuples(st.integers(1, 1 << 160), st.text(max_size=40)), max_size=4))
def test_what_is_written_is_read(values: list[tuple[int, str]]) -> None:
    made = tuple(
        Certificate(f"{number:x}", name.encode("utf-8", "ignore").decode())
        for number, name in values
    )
    assert certificates(written(made)) == made


@pytest.mark.parametrize("cut", [1, HEAD - 1, HEAD, HEAD + OWNER + 3])
def test_half_a_list_is_none(cut: int) -> None:
    whole = written((Certificate("1", "a"),))
    assert certificates(whole[:cut]) is None
    assert certificates(whole + whole[:cut]) is None


def test_a_certificate_that_cannot_be_read_is_left_out() -> None:
    assert certificates(listed(b"nonsense")) == ()
    assert certificates(b"") == ()


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    certificates(data)
    certificates(listed(data + b"x"))
