"""On an image-based host rpm-ostree makes the initramfs, and undo brings it back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support import played_machine as played
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.debian import KERNEL
from support.fixture_hosts.systems import MSRS, ostree_boot
from support.unbound_card import CARD, IDS, unbound
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.images.own import OwnInitramfs, own_initramfs
from vfio_doctor.model import CommandStep
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.trusted import why_not
from vfio_doctor.repair.values import Ending, Plan
from vfio_doctor.report.plan import plan_lines

pytestmark = pytest.mark.runs("python", "python3")
REGISTRY = load()
INITRAMFS = ("rpm-ostree", "initramfs")
FORCE = "--force-drivers=vfio-pci"
SHIPPED = file("/usr/lib/dracut/dracut.conf.d/80-vfio.conf", "force_drivers+=...\n")
NONE = OwnInitramfs(False)


def host_in(root: Path, *parts: Parts, held: OwnInitramfs = NONE) -> played.PlayedHost:
    boot = ostree_boot(KERNEL, "silverblue", f"quiet {IDS} {MSRS}")
    host = played.PlayedHost(root, unbound(boot, *parts, tools=Parts({})))
    notes = root / "run/standin"
    notes.mkdir(parents=True)
    (notes / "initramfs.json").write_text(json.dumps(held))
    host.moved()
    return host


def planned(host: played.PlayedHost) -> Plan:
    facts = Facts(host)
    results = diagnose(facts, REGISTRY, ("vfio-not-bound",))
    return make_plan(host, facts, results, choose(host, facts), risky=True)


def calls(plan: Plan) -> list[CommandStep]:
    return [s.step for s in plan.steps if isinstance(s.step, CommandStep)]


def fault(host: played.PlayedHost, words: str) -> None:
    (host.root / "run/standin/rpm-ostree.fault").write_text(words)


@pytest.mark.parametrize(
    ("held", "arguments", "back"),
    [
        pytest.param(NONE, (f"--arg={FORCE}",), ("--disable",), marks=pytest.mark.slow),
        pytest.param(
            OwnInitramfs(True),
            (f"--arg={FORCE}",),
            ("--enable",),
            marks=pytest.mark.slow,
        ),
        (
            OwnInitramfs(True, ("-I", "/etc/crypttab")),
            ("--arg=-I", "--arg=/etc/crypttab", f"--arg={FORCE}"),
            ("--enable", "--arg=-I", "--arg=/etc/crypttab"),
        ),
    ],
    ids=["the image's", "one of its own", "one with arguments"],
)
def test_it_is_made_before_the_arguments_and_undo_restores_the_state(
    tmp_path: Path,
    held: OwnInitramfs,
    arguments: tuple[str, ...],
    back: tuple[str, ...],
) -> None:
    host = host_in(tmp_path, held=held)
    plan = planned(host)
    made, words = calls(plan)
    assert made.argv == (*INITRAMFS, "--enable", *arguments)
    assert made.inverse == (*INITRAMFS, *back)
    assert words.argv[:2] == ("rpm-ostree", "kargs")
    assert why_not(made, None, None) is None

    machine = played.machine(host, choose(host, Facts(host)))
    outcome = apply_plan(plan, machine)
    assert outcome.ending is Ending.DONE, outcome
    assert own_initramfs(host).loads("vfio_pci")
    assert (
        "rd.driver.pre=vfio-pci"
        in played.standin(tmp_path, ("rpm-ostree", "kargs")).stdout
    )
    assert not planned(host).steps

    assert undo_run(machine).ending is Ending.UNDONE
    assert own_initramfs(host) == held


def test_the_plan_says_that_it_is_a_second_transaction_and_what_it_costs(
    tmp_path: Path,
) -> None:
    text = " ".join(" ".join(plan_lines(planned(host_in(tmp_path)))).split())
    assert "a transaction of its own, which takes minutes" in text
    assert "`bootc upgrade` refuses such a system" in text
    assert "sudo rpm-ostree rollback" in text
    assert "live medium" not in text


@pytest.mark.parametrize(
    ("parts", "held"),
    [
        ((SHIPPED,), NONE),
        ((), OwnInitramfs(True, (FORCE,))),
        ((), OwnInitramfs(True, ("--force-drivers", "vfio vfio_pci"))),
    ],
    ids=["the image ships it", "made already", "made already, in two words"],
)
def test_nothing_is_made_if_the_initramfs_loads_it(
    tmp_path: Path, parts: tuple[Parts, ...], held: OwnInitramfs
) -> None:
    plan = planned(host_in(tmp_path, *parts, held=held))
    assert [step.argv[1] for step in calls(plan)] == ["kargs"]


@pytest.mark.slow
@pytest.mark.parametrize("words", ["dracut", "says-nothing", "no-space"])
def test_what_fails_is_rolled_back(tmp_path: Path, words: str) -> None:
    host = host_in(tmp_path)
    before = played.standin(tmp_path, ("rpm-ostree", "kargs")).stdout
    plan = planned(host)
    fault(host, words)
    outcome = apply_plan(plan, played.machine(host, choose(host, Facts(host))))
    assert outcome.ending is Ending.ROLLED_BACK, outcome
    assert own_initramfs(host) == NONE
    assert played.standin(tmp_path, ("rpm-ostree", "kargs")).stdout == before


def test_a_foreign_transaction_is_waited_for(tmp_path: Path) -> None:
    host = host_in(tmp_path)
    plan = planned(host)
    fault(host, "busy 2")
    outcome = apply_plan(plan, played.machine(host, choose(host, Facts(host))))
    assert outcome.ending is Ending.DONE, outcome
    assert own_initramfs(host).loads("vfio-pci")


def test_undo_leaves_what_somebody_changed_since(tmp_path: Path) -> None:
    host = host_in(tmp_path)
    machine = played.machine(host, choose(host, Facts(host)))
    assert apply_plan(planned(host), machine).ending is Ending.DONE
    theirs = ("--enable", f"--arg={FORCE}", "--arg=--no-hostonly")
    played.standin(tmp_path, (*INITRAMFS, *theirs))
    outcome = undo_run(machine)
    kept = [str(step.why) for step in outcome.steps if "changed since" in str(step.why)]
    assert len(kept) == 1, outcome
    assert own_initramfs(host).arguments == (FORCE, "--no-hostonly")


def test_undo_has_nothing_to_do_if_it_is_as_before(tmp_path: Path) -> None:
    host = host_in(tmp_path)
    machine = played.machine(host, choose(host, Facts(host)))
    assert apply_plan(planned(host), machine).ending is Ending.DONE
    played.standin(tmp_path, (*INITRAMFS, "--disable"))
    assert undo_run(machine).ending is Ending.UNDONE
    assert own_initramfs(host) == NONE


def test_a_device_that_the_host_needs_has_no_image_made(tmp_path: Path) -> None:
    connected = file("/sys/bus/pci/devices/0000:08:00.0/boot_vga", "1\n")
    plan = planned(host_in(tmp_path, connected))
    assert CARD == "0000:08:00.0"
    assert not plan.steps
