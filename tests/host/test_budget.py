"""A capture is cut to size, and says where."""

from __future__ import annotations

import os

from support.hosts import build, ran
from vfio_doctor.host.budget import FILE_BYTES, FILES_PACKED, cut, trim
from vfio_doctor.host.reader import CommandResult, Missing, Why

DMESG = ("dmesg",)


def test_what_is_small_stays_as_it_is() -> None:
    capture = build({"/etc/a": "text"}, commands={DMESG: ran(DMESG, "x\n")}).capture
    assert trim(capture, ()) == capture


def test_a_long_file_is_cut_by_lines() -> None:
    text = "line of text\n" * 20_000
    capture = build({"/etc/a": text, "/etc/judged": text}).capture
    files = trim(capture, {"/etc/judged"}).files
    short = files["/etc/a"]
    assert isinstance(short, bytes)
    assert len(short) <= FILE_BYTES + 80
    last = short.decode().splitlines()[-1]
    left = len(text) - short.decode().rindex("# vfio-doctor")
    assert (
        last
        == f"# vfio-doctor: truncated, {len(text) - len(short[: -len(last) - 1])}"
        + (" bytes left out")
    )
    assert left > 0
    assert files["/etc/judged"] == text.encode()


def test_a_kernel_log_keeps_what_tells_something() -> None:
    noise = "[1.0] usb 1-1: new device\n" * 9000
    text = f"{noise}[2.0] kvmfr: Loading of module is rejected\n{noise}"
    answer = trim(build({}, commands={DMESG: ran(DMESG, text)}).capture, ()).commands
    found = answer[DMESG]
    assert isinstance(found, CommandResult)
    assert "kvmfr: Loading" in found.stdout
    assert "truncated, 17400 lines left out" in found.stdout
    assert len(found.stdout) < 100_000


def test_too_much_in_all_leaves_the_largest_out() -> None:
    files = {f"/etc/{n}": os.urandom(60 << 10) for n in range(15)}
    capture = build(dict(files)).capture
    kept = trim(capture, {"/etc/0"}).files
    gone = {p: v for p, v in kept.items() if isinstance(v, Missing)}
    assert gone
    assert "/etc/0" not in gone
    assert all(
        v.why is Why.NOT_CAPTURED and "left out" in str(v.detail) for v in gone.values()
    )
    assert sum(len(v) for v in kept.values() if isinstance(v, bytes)) <= FILES_PACKED


def test_a_line_without_end_is_cut_too() -> None:
    assert cut("x" * 100, 10).startswith("x" * 10 + "# vfio-doctor")
