"""The functional probes, on this machine's own devices."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from support.rows import for_each
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.probes import probe, why
from vfio_doctor.host.reader import Missing, ProbeResult, Why


def may_use_kvm() -> bool:
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


@pytest.mark.skipif(
    not may_use_kvm(), reason="needs /dev/kvm, which this account may not use"
)
def test_kvm_of_this_machine_answers() -> None:
    before = len(os.listdir("/proc/self/fd"))
    answer = LiveHost().probe("kvm", "/dev/kvm")
    assert isinstance(answer, ProbeResult)
    assert answer.value("api_version") == 12
    assert answer.did[:2] == ("opened /dev/kvm", "asked its API version")
    assert bool(answer.error) != bool(answer.value("create_vm"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["kvm", "kvmfr-size"])
def test_another_device_does_not_know_the_question(name: str) -> None:
    answer = LiveHost().probe(name, "/dev/null")
    assert isinstance(answer, ProbeResult)
    assert (answer.error, answer.values) == ("ENOTTY", ())
    assert answer.did[0] == "opened /dev/null"


@pytest.mark.parametrize("name", ["kvm", "kvmfr-size"])
@pytest.mark.parametrize("kind", ["file", "fifo", "folder", "link-to-file"])
def test_what_is_no_device_is_not_asked(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "node"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "file").write_bytes(b"x")
        path.symlink_to("file")
    answer = probe(name, str(path if kind != "file" else tmp_path / "file"))
    assert isinstance(answer, Missing)
    assert (answer.why, str(answer.detail)) == (Why.FAILED, "not a character device")


@pytest.mark.parametrize("path", ["/dev/no-such-node", "/dev/null/below"])
def test_no_node_is_absent(path: str) -> None:
    answer = probe("kvm", path)
    assert isinstance(answer, Missing)
    assert answer.why is Why.ABSENT


def test_no_path_is_failed() -> None:
    answer = probe("kvm", "/dev/\0")
    assert isinstance(answer, Missing)
    assert answer.why is Why.FAILED


@pytest.mark.needs_root
def test_a_node_without_driver_is_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "kvm"
    try:
        # 60 to 63 are for local use: no driver of the kernel has them.
        os.mknod(path, 0o20666, os.makedev(60, 1))
        os.close(os.open("/dev/null", os.O_RDONLY))
    except PermissionError:
        pytest.skip("needs device nodes, which this container refuses")
    answer = probe("kvm", str(path))
    if isinstance(answer, Missing) and answer.why is Why.DENIED:
        pytest.skip("needs devices, which this file system refuses")
    assert isinstance(answer, ProbeResult)
    assert (answer.error, answer.did) == ("ENXIO", (f"tried to open {path}",))


@for_each(
    ("number", "meaning"),
    [
        (errno.ENOENT, Why.ABSENT),
        (errno.ENOTDIR, Why.ABSENT),
        (errno.ENODEV, Why.ABSENT),
        (errno.EACCES, Why.DENIED),
        (errno.EPERM, Why.DENIED),
        (errno.ETIMEDOUT, Why.TIMED_OUT),
        (errno.ELOOP, Why.FAILED),
        (errno.EIO, Why.FAILED),
        (errno.ENXIO, Why.FAILED),
    ],
)
def test_what_an_error_means(number: int, meaning: Why) -> None:
    assert why(OSError(number, "x")) is meaning
