"""Captures from strangers: refused with a sentence, soon, and without harm."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.archives import END, changed, entry, packed, small, tar
from support.effort import examples
from vfio_doctor.host.capture_io import CaptureError, load

MANY = 60_001
X = b"x"
ZEROES = [entry(f"root/{n}", bytes(7 << 20)) for n in range(6)]
DEEP = "/".join("d" * 40)
SPARSE = b"30 GNU.sparse.name=root/secret\n"

HOSTILE = {
    "empty": b"",
    "text": b"hello",
    "plain-tar": tar(small()),
    "zeros": bytes(1 << 20),
    "truncated": packed()[:-200],
    "no-checksum": packed()[:-4],
    "wrong-checksum": packed()[:-8] + bytes(8),
    "concatenated": packed() + packed(),
    "tail": packed() + b"tail",
    "damaged": packed()[:60] + b"\xff\0\xff\0" + packed()[64:],
    "no-end": gzip.compress(tar(small())[: -len(END)]),
    "behind-the-end": gzip.compress(tar(small()) + entry("root/a", X) + END),
    "absolute": packed(entry("/etc/passwd", X)),
    "dot-dot": packed(entry("root/../../etc/passwd", X)),
    "dot-dot-first": packed(entry("../manifest.json", X)),
    "dot-inside": packed(entry("root/./a", X)),
    "double-slash": packed(entry("root//a", X)),
    "no-name": packed(entry("/", X)),
    "link": packed(entry("root/a", kind=tarfile.SYMTYPE, target="/etc/shadow")),
    "hard-link": packed(entry("root/a", kind=tarfile.LNKTYPE, target="manifest.json")),
    "char-device": packed(entry("root/a", kind=tarfile.CHRTYPE)),
    "block-device": packed(entry("root/a", kind=tarfile.BLKTYPE)),
    "fifo": packed(entry("root/a", kind=tarfile.FIFOTYPE)),
    "contiguous": packed(entry("root/a", kind=tarfile.CONTTYPE)),
    "gnu-sparse": packed(entry("root/a", X, kind=tarfile.GNUTYPE_SPARSE)),
    "pax-sparse": packed(entry("p", SPARSE, tarfile.XHDTYPE), entry("root/a", X)),
    "pax-size": packed(entry("p", b"12 size=999\n", b"x"), entry("root/a", X)),
    "pax-global-path": packed(entry("p", b"9 path=a\n", b"g")),
    "pax-damaged": packed(entry("p", b"99 path=a\n", b"x")),
    "pax-zero": packed(entry("p", b"0 path=a\n", b"x")),
    "pax-digits": packed(entry("p", b"1" * (1 << 20), b"x")),
    "pax-to-dot-dot": packed(entry("p", b"14 path=../../a\n", b"x"), entry("a", X)),
    "long-name-chain": packed(*[entry("n", b"a\0", b"L")] * 3000),
    "long-name-at-end": packed(entry("n", b"a\0", b"L")),
    "long-link-name": packed(entry("n", b"a\0", b"K")),
    "directory-with-data": packed(entry("root", bytes(512), tarfile.DIRTYPE)),
    "twice": packed(entry("manifest.json", X)),
    "twice-by-dot": packed(entry("./manifest.json", X)),
    "many": packed(*[entry("root/a")] * MANY),
    "many-folders": packed(*[entry("root/a", kind=tarfile.DIRTYPE)] * MANY),
    "bomb-by-ratio": gzip.compress(tar(small(), ZEROES[:2]), 9),
    "bomb-by-size": packed(*ZEROES),
    "large-member": packed(entry("root/a", os.urandom(1 << 10) * (9 << 10))),
    "huge-claim": packed(entry("root/a", X, size=8**11 - 1)),
    "negative-claim": packed(entry("root/a", X, size=-512)),
    "claim-past-end": packed(entry("root/a", X, size=4096)),
    "header-checksum": packed(b"a" * 512),
    "deep": packed(entry(f"root/{DEEP}", X)),
    "long-name": packed(entry("root/" + "a" * 1100, X)),
    "control-name": packed(entry("root/\x1b[2J", X)),
    "bidi-name": packed(entry("root/\N{RIGHT-TO-LEFT OVERRIDE}", X)),
    "not-utf-8-name": packed(entry("root/\udcff", X)),
    "lower-case-escape": packed(entry("root/%2f", X)),
    "escaped-slash": packed(entry("root/a%2Fb", X)),
    "escaped-letter": packed(entry("root/%61", X)),
    "escaped-dot-dot": packed(entry("root/%2e%2e/a", X)),
    "escaped-nul": packed(entry("root/%00", X)),
    "half-escape": packed(entry("root/%", X)),
    "nothing-inside": packed(held={}),
    "no-manifest": changed("manifest.json", None),
    "no-stat": changed("stat.json", None),
    "no-probes": changed("probes.json", None),
    "manifest-binary": changed("manifest.json", bytes(range(256))),
    "manifest-list": changed("manifest.json", "[]"),
    "manifest-schema": changed("manifest.json", '{"schema": "other/9"}'),
    "stat-of-text": changed("stat.json", '{"/a": "x"}'),
    "stat-of-list": changed("stat.json", '{"/a": []}'),
    "stat-kind": changed("stat.json", '{"/a": {"kind": [], "mode": "7"}}'),
    "stat-mode": changed("stat.json", '{"/a": {"kind": "file", "mode": "-7"}}'),
    "stat-huge": changed(
        "stat.json", '{"/a": {"kind": "file", "mode": "7", "uid": 1%s}}' % ("0" * 99)
    ),
    "stat-float": changed(
        "stat.json", '{"/a": {"kind": "file", "mode": "7", "uid": 1e999}}'
    ),
    "stat-bool": changed(
        "stat.json", '{"/a": {"kind": "file", "mode": "7", "uid": true}}'
    ),
    "lists-text": changed("lists.json", '{"/a": "abc"}'),
    "missing-why": changed("missing.json", '{"read": {"/a": ["because", ""]}}'),
    "missing-short": changed("missing.json", '{"read": {"/a": ["absent"]}}'),
    "missing-list": changed("missing.json", '{"read": []}'),
    "json-deep": changed("probes.json", "[" * 100_000),
    "json-wide": changed("probes.json", "[" + "{}," * 2_000_000 + "{}]"),
    "json-digits": changed("probes.json", "1" * 1_000_000),
    "renamed-nothing": changed("renamed.json", '{"renamed/0": "/a"}'),
    "renamed-number": changed("renamed.json", '{"manifest.json": 1}'),
    "command-text": packed(entry("commands/a.json", b'"x"')),
    "command-argv": packed(entry("commands/a.json", b'{"argv": [1]}')),
    "command-twice": packed(
        *[
            entry(
                f"commands/{n}.json", b'{"argv": [], "missing": "absent","detail":""}'
            )
            for n in "ab"
        ]
    ),
    "udev-number": packed(entry("udev/pci.json", b"1")),
    "probe-values": changed(
        "probes.json",
        '[{"probe": "kvm", "path": "/a", "did": [], "values": [["a"]], "error": ""}]',
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_soon(name: str) -> None:
    # Its time is measured in test_hostile_cost.py, where nothing traces it.
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


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 40


def loaded_or_refused(data: bytes) -> bool:
    """Load; whatever else than a refusal is raised fails the test."""
    try:
        load(io.BytesIO(data))
    except CaptureError as error:
        return str(error).isascii()
    return True


@examples(150)
@given(st.binary(max_size=3000))
def test_arbitrary_bytes(data: bytes) -> None:
    for each in (data, gzip.compress(data, 1), gzip.compress(data + tar(small()), 1)):
        assert loaded_or_refused(each)


@examples(150)
@given(st.integers(0, len(tar(small())) - 1), st.binary(min_size=1, max_size=20))
def test_any_byte_of_an_honest_archive_changed(start: int, data: bytes) -> None:
    whole = tar(small())
    whole = whole[:start] + data + whole[start + len(data) :]
    assert loaded_or_refused(gzip.compress(whole, 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["/a", "kind", "mode", "read", "acl", "argv", "rdev"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@examples(200)
@given(
    st.sampled_from(
        ["manifest.json", "stat.json", "lists.json", "missing.json", "probes.json"]
        + ["commands/x.json", "udev/x.json", "renamed.json"]
    ),
    JSON,
)
def test_any_json_in_any_place(member: str, value: object) -> None:
    text = json.dumps(value)
    if member == "manifest.json" and isinstance(value, dict):
        text = json.dumps({"schema": "vfio-doctor/capture/1", **value})
    assert loaded_or_refused(changed(member, text))


def folder_with(tmp_path: Path, kind: str) -> Path:
    top = tmp_path / "capture"
    for name, data in small().items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)
    odd = top / "root/odd"
    if kind == "fifo":
        os.mkfifo(odd)
    elif kind == "link":
        odd.symlink_to("/etc/passwd")
    elif kind == "link-to-folder":
        odd.symlink_to("/etc")
    elif kind == "loop":
        odd.symlink_to("odd")
    elif kind == "sparse":
        odd.write_bytes(b"")
        os.truncate(odd, 100 << 20)
    elif kind == "name":
        (top / "root/\x1b[2J").write_bytes(b"")
    elif kind == "mode-000-folder":
        odd.mkdir()
        odd.chmod(0)
    return top


@pytest.mark.parametrize(
    "kind", ["fifo", "link", "link-to-folder", "loop", "sparse", "name"]
)
def test_a_hostile_folder_is_refused(tmp_path: Path, kind: str) -> None:
    top = folder_with(tmp_path, kind)
    with pytest.raises(CaptureError, match=f"^{top}: ") as caught:
        load(top)
    assert str(caught.value).isprintable()


def test_what_is_no_capture_at_all(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for path in ("fifo", "empty", "loop", "absent", "x" * 300):
        with pytest.raises(CaptureError):
            load(tmp_path / path)
    for path in ("/dev/zero", "/dev/null", "\0", "\udfff", ""):
        with pytest.raises(CaptureError):
            load(path)


def test_reading_one_starts_nothing_and_touches_nothing(tmp_path: Path) -> None:
    # The guard of conftest.py ends this test where a process is started.
    before = sorted(os.listdir(tmp_path))
    load(io.BytesIO(packed(entry("commands/evil", b"rm -rf /"))))
    assert sorted(os.listdir(tmp_path)) == before
