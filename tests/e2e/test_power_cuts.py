"""The power goes in the middle of ``--fix``: the guest boots, nothing is half."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from e2e import images, scenario
from e2e.guests import started
from e2e.loader_guest import LoaderMachine
from e2e.vm import PROGRAM, Machine

pytestmark = pytest.mark.e2e
CUTS = 5  # for each way out of it
# What a cut left at its end is a run, and what the next `--fix` makes is another.
RUNS = 2
FIX = ["env", f"SUDO_UID={images.ALICE}", PROGRAM, "--fix", "--yes"]
BOOT_FILE = "/etc/default/grub"


def files(guest: Machine) -> dict[str, str]:
    """Return what the files that a repair writes hold, "" where one is not there."""
    names = (scenario.RULE_99, scenario.SIZE, scenario.LIST, BOOT_FILE)
    return {n: guest.shell(f"cat {n} 2>/dev/null || true") for n in names}


def unload(guest: Machine) -> None:
    """Bring the running kernel back to where it was; and everything to disk."""
    guest.shell(
        "modprobe -r kvmfr || true; sync;"
        "echo Y > /sys/module/kvm/parameters/report_ignored_msrs"
    )


@pytest.mark.parametrize("way", ["finish", "undo"])
def test_power_cuts(
    machines: list[Machine], faults: Callable[[int], None], way: str
) -> None:
    """Five cuts spread over the repair; the next run finishes, or undo takes back."""
    guest = started(machines, LoaderMachine("grub", "bookworm", "intel"))
    guest.put(scenario.RULE_99, scenario.RULE_ROOT)
    sick_files, sick = files(guest), scenario.state(guest)
    unload(guest)
    begun = time.monotonic()
    guest.run(*FIX)
    whole = time.monotonic() - begun
    cured_files, cured = files(guest), scenario.state(guest)
    assert all(cured_files[name] != sick_files[name] for name in sick_files)
    scenario.undo(guest)
    assert scenario.state(guest) == sick
    interrupted = 0
    for n in range(CUTS):
        unload(guest)
        guest.send(FIX)
        time.sleep(whole * (n + (0.33 if way == "finish" else 0.67)) / CUTS)
        guest.cut()
        faults(1)
        guest.start()
        now = files(guest)
        for name, text in now.items():
            assert text in (sick_files[name], cured_files[name]), (n, name, text)
        was_open = "interrupted" in guest.doctor("history").stdout
        interrupted += was_open
        print(f"cut {n}: {'in the middle' if was_open else 'before or after'}")
        recover(guest, way == "finish", sick, cured)
    assert interrupted >= CUTS // 2, "the cuts did not hit the repair"


def recover(guest: Machine, finish: bool, sick: str, cured: str) -> None:
    """Finish by the next run, or take back by undo; leave the guest sick again."""
    if finish:
        done = guest.doctor("--fix", "--yes")
        assert done.status in (0, 1, 3), done
        assert scenario.state(guest) == cured
    said = []
    for _ in range(RUNS):
        done = guest.doctor("undo", "--yes")
        said.append(done)
        assert done.status == 0, said
        if scenario.state(guest) == sick:
            break
    assert scenario.state(guest) == sick, said
    assert "interrupted" not in guest.doctor("history").stdout
