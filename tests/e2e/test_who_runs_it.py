"""Run by somebody without root, and inside a container on the guest."""

from __future__ import annotations

import json

import pytest

from e2e import scenario
from e2e.guests import started
from e2e.loader_guest import LoaderMachine
from e2e.scenario import Seen
from e2e.vm import PROGRAM, Done, Machine

pytestmark = pytest.mark.e2e
CANNOT_TELL = ("unknown", "blocked", "not-applicable")


def contained(guest: Machine, *arguments: str) -> Done:
    """Run the program in a systemd-nspawn container of the guest's own files."""
    guest.shell(
        "mkdir -p /mnt/host; mountpoint -q /mnt/host || mount --bind / /mnt/host"
    )
    nspawn = ("systemd-nspawn", "-q", "-D", "/mnt/host", "--read-only", "--as-pid2")
    alone = ("--register=no", "--keep-unit", "--console=pipe", "--private-network")
    return guest.run(*nspawn, *alone, PROGRAM, *arguments, limit=120)


def never_better(outside: Seen, inside: dict[str, str]) -> None:
    """Who sees less says the same or that it cannot tell; never that all is well."""
    for check, status in inside.items():
        assert status == outside.statuses[check] or status in CANNOT_TELL, check


@pytest.fixture
def guest(machines: list[Machine]) -> Machine:
    machine = started(machines, LoaderMachine("grub", "bookworm", "intel"))
    machine.put(scenario.RULE_99, scenario.RULE_ROOT)
    return machine


def test_unprivileged(guest: Machine) -> None:
    root, alice = scenario.seen(guest), scenario.seen(guest, user="alice")
    never_better(root, alice.statuses)
    assert "unknown" in alice.statuses.values()
    files = scenario.state(guest)
    dry = guest.doctor("--fix", "--dry-run", user="alice")
    assert dry.status in (0, 1, 3), dry
    refused = guest.doctor("--fix", "--yes", user="alice")
    assert refused.status == 2, refused
    assert "sudo" in refused.stderr
    assert "--user" in refused.stderr
    for words in (("undo", "--yes"), ("history",)):
        assert guest.doctor(*words, user="alice").status == 2
    assert scenario.state(guest) == files
    guest.run("rm", "-f", "/tmp/of-alice.tar.gz")
    done = guest.doctor("bug-report", "-o", "/tmp/of-alice.tar.gz", user="alice")
    assert done.status == 0, done


def test_container(guest: Machine) -> None:
    outside = scenario.seen(guest)
    done = contained(guest, "--format", "json")
    assert done.status in (1, 3), done
    report = json.loads(done.stdout)
    never_better(outside, {c["id"]: c["status"] for c in report["checks"]})
    assert "container" in contained(guest).stdout
    files = scenario.state(guest)
    refused = contained(guest, "--fix", "--yes", "--user", "alice")
    assert refused.status in (2, 3, 4), refused
    assert "container" in refused.stdout + refused.stderr
    assert scenario.state(guest) == files
