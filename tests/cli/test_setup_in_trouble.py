"""Set-ups on disks that are full, read-only or not root's: old, and told plainly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).resolve().parents[1] / "support" / "trouble_driver.py"
STATE = "ROOT/var/lib/vfio-doctor"
MADE = f"mkdir -p {STATE}/journal; chmod 700 {STATE}/journal; "
TINY = MADE + f"mount -t tmpfs -o size=4k,mode=700 none {STATE}/journal; "
FILLED = TINY + f"cat /dev/zero > {STATE}/journal/filler 2>/dev/null || true"
FULL_BOOT = (
    "cp -a ROOT/boot ROOT/kept; mount -t tmpfs -o size=64k none ROOT/boot;"
    " cp -a ROOT/kept/. ROOT/boot/; rm -r ROOT/kept;"
    " cat /dev/zero > ROOT/boot/filler 2>/dev/null || true"
)
AWAY = "sudo mv /var/lib/vfio-doctor /var/lib/vfio-doctor.away"
NO_JOURNAL = "Nothing was changed: no journal can be written in /var/lib/vfio-doctor: "
pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.needs_tool("unshare"),
    pytest.mark.runs("unshare"),
]


def read_only(folder: str) -> str:
    where = f"ROOT/{folder}"
    bound = f"mkdir -p {where}; mount --bind {where} {where}"
    return f"{bound}; mount -o remount,bind,ro {where}"


def told(tmp_path: Path, *words: str) -> dict[str, Any]:
    script = 'mount -t tmpfs -o size=64m none "$1"; shift; exec "$@"'
    argv = ["unshare", "-m", "--propagation", "private", "sh", "-ec", script, "sh"]
    argv += [str(tmp_path), sys.executable, str(DRIVER), str(tmp_path), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode and done.stderr.startswith("unshare: "):
        pytest.skip("needs mount namespaces, which this machine refuses")
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


@pytest.mark.parametrize(
    ("make", "before", "act", "trouble", "said"),
    [
        ("bare", "", "set_up", read_only("var"), NO_JOURNAL + "Read-only file system"),
        ("bare", "set_up", "down", read_only("var"), NO_JOURNAL + "Read-only file sys"),
        ("bluefin", "", "mend", read_only("var"), NO_JOURNAL + "Read-only file system"),
        ("bare", "", "set_up", FILLED, NO_JOURNAL + "No space left on device"),
        ("bare", "", "set_up", MADE + f"chown 65534 {STATE}", AWAY),
        ("bare", "", "set_up", f"mkdir -p {STATE}; chown 65534 {STATE}", AWAY),
        ("bare", "", "set_up", f"mkdir -p {STATE}; chmod 777 {STATE}", AWAY),
        ("bare", "set_up", "down", f"chmod 777 {STATE}", AWAY),
        ("bare", "set_up", "undo", f"chmod 777 {STATE}", AWAY),
        (
            "bare",
            "",
            "set_up",
            f"mkdir -p ROOT/var/lib; ln -s /tmp {STATE}",
            "is a symb",
        ),
        (
            "bare",
            "",
            "set_up",
            read_only("etc"),
            "could not be written: Read-only file",
        ),
        ("bare", "set_up", "down", read_only("etc"), "could not be written: Read-only"),
        (
            "bluefin",
            "",
            "glass",
            read_only("etc"),
            "could not be written: Read-only fil",
        ),
        ("bare", "", "set_up", read_only("boot"), "Read-only file system"),
        ("bare", "", "set_up", FULL_BOOT, "-k all ended with 1: No space left"),
        ("bare", "set_up", "down", FULL_BOOT, "-k all ended with 1: No space left"),
        ("bare", "set_up", "down", read_only("boot"), "Read-only file system"),
        (
            "bare",
            "",
            "set_up",
            "chattr +i ROOT/etc/default/grub",
            "/etc/default/grub could not be written: Operation not permitted",
        ),
    ],
)
def test_the_host_stays_as_it_was_and_is_told_why(
    tmp_path: Path, make: str, before: str, act: str, trouble: str, said: str
) -> None:
    made = told(tmp_path, make, before, act, trouble)
    assert made["same"], made
    assert made["status"] == 4, made
    assert said in made["said"]
    at_once = said == AWAY or said.startswith(NO_JOURNAL) or said == "is a symb"
    changed = "Nothing was changed" if at_once else "What was done was taken back"
    assert changed in made["said"]


@pytest.mark.parametrize(
    ("make", "act", "fault", "status", "said"),
    [
        # It is waited for.
        ("bluefin", "mend", "busy 3", 0, "done: Run rpm-ostree kargs"),
        ("host_in", "set_up", "no-space", 4, "No space left on device"),
        ("host_in", "set_up", "dracut", 4, "Child process exited with code 1"),
        ("bluefin", "glass", "no-space", 4, "No space left on device"),
    ],
)
def test_rpm_ostree_in_trouble(
    tmp_path: Path, make: str, act: str, fault: str, status: int, said: str
) -> None:
    notes = "ROOT/run/standin"
    trouble = f"mkdir -p {notes}; printf '{fault}' > {notes}/rpm-ostree.fault"
    made = told(tmp_path, make, "", act, trouble)
    assert (made["status"], made["same"]) == (status, status == 4), made
    assert said in made["said"]
