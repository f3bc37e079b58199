"""Ansible plays over several hosts: real trees are looked at, repaired, taken back.

``VFIO_DOCTOR_ANSIBLE`` names a folder with bin/ansible-playbook, and a collection built
and installed below collections/; ``VFIO_DOCTOR_ANSIBLE_ROOT`` a root of Debian with
python3. ``.ci/ansible`` makes both. Each host is that root, with a fixture host's files
over it, in mount and network namespaces of its own: what is written stays in its tree.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.engine_trees import Thing, snapshot
from support.fixture_hosts import catalogue
from support.played_machine import PlayedHost

SOURCE = Path(__file__).resolve().parents[2]
TOOLS = Path(os.environ.get("VFIO_DOCTOR_ANSIBLE", "") or "/nonexistent")
ROOT = Path(os.environ.get("VFIO_DOCTOR_ANSIBLE_ROOT", "") or "/nonexistent")
MODULE = "vfio_doctor.passthrough.vfio_doctor"
RULES = ("kvmfr-rule-owner", "kvmfr-not-loaded-at-boot")
# A fixture host each, and how many of RULES fail on it.
FAULTS = {
    "bluefin-dx-2121": 2,
    "debian12-module-not-loaded": 1,
    "healthy-debian12-looking-glass": 0,
}
# Ansible hands the module's code to this in the place of Python, by stdin. Whoever
# deploys came through sudo, as uid 1000.
PYTHON = """#!/bin/sh
exec unshare --mount --net --uts sh -c '
set -e
cd "$1"
shift
mount -t overlay overlay -o "lowerdir={root},upperdir=over,workdir=work" tree
exec chroot tree env -i PATH=/usr/sbin:/usr/bin LANG=C.UTF-8 SUDO_UID=1000 \\
    /usr/bin/python3 "$@"' sh "{host}" "$@"
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs_root,
    pytest.mark.runs("ansible", "ansible-playbook", "python", "python3"),
    pytest.mark.skipif(
        not ((TOOLS / "bin/ansible-playbook").exists() and (ROOT / "usr").exists()),
        reason="needs VFIO_DOCTOR_ANSIBLE and ..._ROOT: see .ci/ansible",
    ),
]


class Fleet(NamedTuple):
    """Hosts, each a folder with what lies over the root, and their inventory."""

    folder: Path
    inventory: Path

    def ansible(self, program: str, *words: str) -> str:
        """Run one of Ansible's programs over all hosts and return what it printed."""
        call = [str(TOOLS / "bin" / program), "-i", str(self.inventory), *words]
        done = subprocess.run(
            call, env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 2), done.stdout + done.stderr
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{TOOLS}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder / "home"),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(TOOLS / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            # The module's code goes in by stdin: no file of this machine is seen there.
            "ANSIBLE_PIPELINING": "1",
        }

    def play(self, name: str, *words: str) -> str:
        """Run a playbook of the collection, on RULES alone."""
        chosen = {"vfio_doctor_user": "alice", "vfio_doctor_select": RULES}
        return self.ansible(
            *("ansible-playbook", f"vfio_doctor.passthrough.{name}"),
            *("-e", json.dumps(chosen), *words),
        )

    def module(self, **options: object) -> dict[str, dict[str, Any]]:
        """Run the module by itself and return what it says of each host."""
        said = self.ansible(
            *("ansible", "all", "-o", "-m", MODULE, "-a", json.dumps(options))
        )
        rows = re.findall(r"^(\S+) \| (\w+)!? => (\{.*\})$", said, re.MULTILINE)
        assert sorted(name for name, _, _ in rows) == sorted(FAULTS), said
        return {
            name: {**json.loads(text), "failed": word == "FAILED"}
            for name, word, text in rows
        }

    def trees(self) -> dict[str, dict[str, Thing]]:
        """Return every file of /etc that lies over the root, by host."""
        return {name: without_marks(self.folder / name / "over/etc") for name in FAULTS}

    def doctor(self, name: str, *words: str) -> str:
        """Run vfio-doctor itself on a host."""
        python = str(self.folder / name / "python3")
        done = subprocess.run(
            [python, "/usr/bin/vfio-doctor", *words], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def without_marks(folder: Path) -> dict[str, Thing]:
    """Return a tree without what overlayfs writes down for itself."""
    kept = {}
    for path, thing in snapshot(folder).items():
        ours = tuple(x for x in thing.xattrs if not x[0].startswith("trusted.overlay"))
        kept[path] = thing._replace(xattrs=ours)
    return kept


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    zipapp = [sys.executable, str(SOURCE / "scripts/zipapp")]
    program = tmp_path / "vfio-doctor"
    subprocess.run([*zipapp, str(program)], check=True, capture_output=True)
    for name in FAULTS:
        host = tmp_path / name
        for folder in ("over/usr/bin", "work", "tree"):
            (host / folder).mkdir(parents=True)
        PlayedHost(host / "over", catalogue.host(name).capture)
        (host / "over/usr/bin/vfio-doctor").write_bytes(program.read_bytes())
        (host / "over/usr/bin/vfio-doctor").chmod(0o755)
        (host / "python3").write_text(PYTHON.format(root=ROOT, host=host))
        (host / "python3").chmod(0o755)
    inventory = tmp_path / "inventory"
    rows = (
        f"{name} ansible_connection=local "
        f"ansible_python_interpreter={tmp_path / name / 'python3'}\n"
        for name in FAULTS
    )
    inventory.write_text("".join(rows))
    return Fleet(tmp_path, inventory)


def changed(recap: str) -> dict[str, bool]:
    """Return of each host whether the play has changed it."""
    rows = re.findall(
        r"^(\S+) +: ok=\d+ +changed=(\d+) .*failed=0", recap, re.MULTILINE
    )
    return {name: count != "0" for name, count in rows}


FAULTY = {name: count > 0 for name, count in FAULTS.items()}


def test_a_fleet_is_looked_at_repaired_and_taken_back(fleet: Fleet) -> None:
    before = fleet.trees()
    shown = fleet.play("repair", "--check", "--diff")
    assert changed(shown) == FAULTY, shown
    assert '+SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="qemu", MODE="0660"' in shown
    assert fleet.trees() == before

    assert changed(fleet.play("repair")) == FAULTY
    after = fleet.trees()
    assert {name: after[name] != before[name] for name in FAULTS} == FAULTY
    assert after["debian12-module-not-loaded"]["modules-load.d/kvmfr.conf"]
    rule = after["bluefin-dx-2121"]["udev/rules.d/99-kvmfr.rules"].content
    assert rule == b'SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="qemu", MODE="0660"\n'

    assert not any(changed(fleet.play("repair")).values())
    assert fleet.trees() == after
    for name in (name for name, faulty in FAULTY.items() if faulty):
        fleet.doctor(name, "undo", "--yes")
    assert fleet.trees() == before


def test_what_the_module_says_of_each_host(fleet: Fleet) -> None:
    before = fleet.trees()
    said = fleet.module(user="alice", select=RULES)
    assert {name: len(one["findings"]) for name, one in said.items()} == FAULTS
    assert not any(one["changed"] for one in said.values())
    facts = said["bluefin-dx-2121"]["ansible_facts"]["vfio_doctor"]
    assert facts["host"]["os"] == "Bluefin 41"
    assert fleet.trees() == before

    # Who deploys (uid 1000, by sudo) is not taken for who runs the VM.
    nobody = fleet.module(select=["kvmfr"])["bluefin-dx-2121"]
    assert "sudo" not in nobody["ansible_facts"]["vfio_doctor"]["host"]["user"]
    undecided = [one["check"] for one in nobody["undecided"]]
    assert "kvmfr-module-rejected" in undecided

    failed = fleet.module(user="alice", select=RULES, fail_on="warning")
    assert {name: one["failed"] for name, one in failed.items()} == FAULTY
    wrong = fleet.module(user="alice", select=["no-such-rule"])
    assert all(one["failed"] and "no-such-rule" in one["msg"] for one in wrong.values())

    repaired = fleet.module(user="alice", select=RULES, state="repaired")
    assert {name: one["changed"] for name, one in repaired.items()} == FAULTY
    effects = repaired["bluefin-dx-2121"]["effects"]
    assert {one["check"]: one["effect"] for one in effects} == dict.fromkeys(
        RULES, "resolved"
    )
    runs = repaired["bluefin-dx-2121"]["runs"]
    assert all(run in fleet.doctor("bluefin-dx-2121", "history") for run in runs)
    assert len(runs) == 1
