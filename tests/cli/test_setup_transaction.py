"""Set-up and teardown while another tool changes the system: refused at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from support.fixture_hosts.parts import Parts
from support.unbound_card import CARD, unbound
from vfio_doctor.cli import status
from vfio_doctor.facts.boot.next_kernel import RPM_OSTREE_STATUS
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import CommandResult

Output = pytest.CaptureFixture[str]
WORDS = {
    "setup": ("setup", "passthrough", "--device", CARD),
    "teardown": ("teardown", "passthrough"),
    "glass": ("setup", "looking-glass"),
}
LOCK = "1: POSIX  ADVISORY  {kind} 4711 08:02:393231 0 EOF\n"


def run(tmp_path: Path, host: Capture, *words: str) -> int:
    save(host, tmp_path / "host.host")
    return status([*words, "--capture", str(tmp_path / "host.host"), "--dry-run"])


def locked(comm: str, kind: str = "WRITE", before: str = "") -> Capture:
    locks = before + LOCK.format(kind=kind)
    parts = Parts({"/proc/locks": locks, "/proc/4711/comm": f"{comm}\n"})
    return unbound(parts, ids="")


@pytest.mark.parametrize("what", WORDS)
@pytest.mark.parametrize("comm", ["apt-get", "dpkg", "dnf5", "unattended-upgr"])
def test_a_package_tool_that_writes(
    tmp_path: Path, capsys: Output, what: str, comm: str
) -> None:
    assert run(tmp_path, locked(comm), *WORDS[what]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"another tool is changing this system ({comm}, process 4711)" in said.err


@pytest.mark.parametrize(
    "host",
    [
        locked("apt-get", "READ "),
        locked("firefox"),
        # It waits for a lock that another has.
        locked("firefox", before="1: -> POSIX ADVISORY WRITE 4711 08:02:1 0 EOF\n"),
        unbound(
            Parts({"/proc/locks": "1: POSIX\n2: FLOCK  ADVISORY  WRITE\n"}), ids=""
        ),
    ],
)
def test_other_locks_are_none(tmp_path: Path, capsys: Output, host: Capture) -> None:
    run(tmp_path, host, *WORDS["setup"])
    assert f"Bind {CARD}" in capsys.readouterr().out


@pytest.mark.parametrize("transaction", [None, ["upgrade", ":1.7", "/org/x"]])
def test_a_transaction_of_rpm_ostree(
    tmp_path: Path, capsys: Output, transaction: list[str] | None
) -> None:
    host = catalogue.capture("bluefin-dx-2121")
    before = host.commands[RPM_OSTREE_STATUS]
    assert isinstance(before, CommandResult)
    held = {**json.loads(before.stdout), "transaction": transaction}
    host.commands[RPM_OSTREE_STATUS] = before._replace(stdout=json.dumps(held))
    ended = run(tmp_path, host, "setup", "passthrough", "--device", "0000:01:00.0")
    said = capsys.readouterr()
    busy = "another tool is changing this system (rpm-ostree upgrade)" in said.err
    assert busy is bool(transaction)
    assert (ended == 2 and said.out == "") is bool(transaction)
