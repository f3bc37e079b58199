"""Captures as a text file: any content survives, and only one spelling is read."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.archives import small
from support.captures import captures, same
from support.effort import examples
from support.rows import for_each
from vfio_doctor.host.archive import read_stream
from vfio_doctor.host.capture_io import (
    CaptureError,
    as_text,
    load,
    save,
    save_archive,
    save_text,
)
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.host_file import TEXT_BYTES, spelt
from vfio_doctor.host.members import ALL_BYTES
from vfio_doctor.host.reader import Caller

# What a text has to take care of: our own marks, line ends, all kinds of bytes.
PIECE = st.sampled_from(
    [b"=== a", b"=== ", b"=", b"\n", b"\r\n", b"\\", b"\\\n", b"\\x3d", b"\0"]
    + [b"\xff", b"\xc3\xa9", b"\xe2\x80\xae", b"\x1b[2J", b"\t", b" ", b"word"]
) | st.binary(max_size=4)
CONTENT = st.lists(PIECE, max_size=12).map(b"".join) | st.binary(max_size=2000)
NAME = st.text("abc%=@.-_+:,", min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..")
)
MEMBERS = st.dictionaries(
    st.lists(NAME, min_size=1, max_size=3).map("/".join), CONTENT, min_size=1
)


def read(text: bytes) -> dict[str, bytes]:
    return read_stream("the file", io.BytesIO(text))


@examples(200)
@given(MEMBERS)
def test_any_members_survive(held: dict[str, bytes]) -> None:
    text = spelt("the host", held)
    assert read(text) == held
    assert text.isascii()
    assert text.decode().replace("\n", "").replace("\t", "").isprintable()
    assert spelt("the host", dict(reversed(held.items()))) == text


@examples(100)
@given(captures())
def test_a_capture_is_the_same_in_all_three_spellings(capture: Capture) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        save(capture, top / "folder")
        save_text(capture, top / "a.host")
        with (top / "a.tar.gz").open("wb") as file:
            save_archive(capture, file)
        loaded = [load(top / name, "x") for name in ("folder", "a.host", "a.tar.gz")]
        text = (top / "a.host").read_bytes()
    assert loaded[0] == loaded[1] == loaded[2]
    assert same(capture, loaded[0])
    assert as_text(loaded[0]) == text


@examples(200)
@given(MEMBERS, st.integers(0, 1 << 16), PIECE, st.integers(0, 3))
def test_whatever_is_read_has_only_that_spelling(
    held: dict[str, bytes], at: int, piece: bytes, gone: int
) -> None:
    text = spelt("the host", held)
    place = at % len(text)
    text = text[:place] + piece + text[place + gone :]
    try:
        found = read(text)
    except CaptureError:
        return
    assert spelt("the host", found) == text


READABLE = {
    "text": (b"quiet\n", b"=== a\nquiet\n"),
    "nothing": (b"", b"=== a\n"),
    "no-final-newline": (b"quiet", b"=== a escaped\nquiet\\\n"),
    "windows": (b"a\r\nb\r\n", b"=== a escaped\na\\x0d\nb\\x0d\n"),
    "like-a-section": (b"=== b\n", b"=== a escaped\n\\x3d== b\n"),
    "backslash-in-text": (b"\\ \n", b"=== a\n\\ \n"),
    "backslash-in-escaped": (b"\\x00\0", b"=== a escaped\n\\\\x00\\x00\\\n"),
    "variable": (
        b"\6\0\0\0\1",
        b"=== a escaped\n" + rb"\x06\x00\x00\x00\x01" + b"\\\n",
    ),
    "long-binary": (
        bytes(300),
        b"=== a base64\n" + (b"A" * 76 + b"\n") * 5 + b"A" * 20,
    ),
}


@for_each("name", READABLE)
def test_how_content_is_spelt(name: str) -> None:
    data, text = READABLE[name]
    assert spelt("the host", {"a": data}).startswith(text)
    assert read(spelt("the host", {"a": data})) == {"a": data}


def test_the_manifest_stands_first() -> None:
    text = spelt("the host", small())
    assert text.startswith(b"=== manifest.json\n{\n")
    assert load(io.BytesIO(text)).files["/proc/cmdline"] == b"quiet\n"


def sections(count: int) -> bytes:
    return b"".join(b"=== root/%08d\n" % n for n in range(count))


HOSTILE = {
    "no-end": b"=== a\nb",
    "only-a-mark": b"=== ",
    "no-name": b"=== \nb\n",
    "twice": b"=== a\n=== a\n",
    "out-of-order": b"=== b\n=== a\n",
    "manifest-second": b"=== a\n=== manifest.json\n",
    "windows": b"=== a\r\nb\r\n",
    "carriage-return": b"=== a\nb\r\n",
    "control-character": b"=== a\n\x1b[2J\n",
    "nul": b"=== a\n\0\n",
    "utf-8": "=== a\né\n".encode(),
    "not-utf-8": b"=== a\n\xff\n",
    "bidi": "=== a\n\N{RIGHT-TO-LEFT OVERRIDE}\n".encode(),
    "name-not-ascii": "=== é\n".encode(),
    "name-control": b"=== a\x1b[2J\n",
    "name-dot-dot": b"=== root/../a\n",
    "name-absolute": b"=== /etc/passwd\n",
    "name-dot-first": b"=== ./a\n",
    "name-slash-last": b"=== a/\n",
    "name-long": b"=== " + b"a" * 1100 + b"\n",
    "name-deep": b"=== " + b"/".join([b"d"] * 40) + b"\n",
    "name-endless": b"=== " + b"a" * (40 << 20) + b"\n",
    "form-unknown": b"=== a zipped\nb\n",
    "form-doubled": b"=== a escaped escaped\n\\x00\\\n",
    "form-space": b"=== a \nb\n",
    "escaped-for-nothing": b"=== a escaped\nb\n",
    "escaped-letter": b"=== a escaped\n\\x61\\x00\n",
    "escaped-upper-case": b"=== a escaped\n\\x0D\n",
    "escaped-octal": b"=== a escaped\n\\000\n",
    "escaped-unicode": b"=== a escaped\n\\u0000\n",
    "escaped-name": b"=== a escaped\n\\N{NULL}\n",
    "escaped-half": b"=== a escaped\n\\x0\n",
    "escaped-alone": b"=== a escaped\nb\\\nc\n",
    "escaped-empty": b"=== a escaped\n",
    "escaped-many": b"=== a escaped\n" + b"\\x00" * (10 << 20) + b"\\\n",
    "base64-short": b"=== a base64\nAAAA\n",
    "base64-damaged": b"=== a base64\n" + b"A" * 401 + b"\n",
    "base64-lines": b"=== a base64\n" + b"AAAA\n" * 100,
    "base64-junk": b"=== a base64\n" + (b"A" * 76 + b"!\n") * 6,
    "member-large": b"=== a\n" + b"x" * (8 << 20) + b"\n",
    "all-large": b"".join(b"=== %d\n%s\n" % (n, b"x" * (7 << 20)) for n in range(6)),
    "text-large": b"=== a\n" + bytes(TEXT_BYTES),
    "many": sections(60_001),
    "lines": b"=== a\n" + b"\n" * (9 << 20),
    "marks": b"=== a\n" * (6 << 20),
    "no-manifest": b"=== root/a\nb\n",
    "not-a-capture": b"=== manifest.json\n[]\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_soon(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(CaptureError, match="^the attachment: ") as caught:
        load(io.BytesIO(HOSTILE[name]), "the attachment")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 128 << 20
    text = str(caught.value)
    assert len(text) < 400
    assert text.isascii()
    assert text.isprintable()


def test_what_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    capture = Capture.empty("x", Caller(0))
    capture.files["/a"] = bytes(9 << 20)
    with pytest.raises(CaptureError):
        save_text(capture, tmp_path / "a.host")
    assert not (tmp_path / "a.host").exists()


@pytest.mark.slow
def test_all_that_can_be_read_is_written_and_no_more() -> None:
    lines = {f"{n}": b"\\\0" * (4 << 20) for n in range(ALL_BYTES // (8 << 20) - 1)}
    assert read(spelt("x", lines)) == lines
    with pytest.raises(CaptureError, match="larger"):
        spelt("x", {f"{n}": b"\\" * (6 << 20) + b"\r\n" for n in range(5)})


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.host").write_text("mine")
    with pytest.raises(CaptureError, match="another place"):
        save_text(Capture.empty("x", Caller(0)), tmp_path / "a.host")
    assert (tmp_path / "a.host").read_text() == "mine"
