"""Boot tools that refuse, wait, die or compare loosely: stand-ins with real state."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import hosts
from support import played_machine as played
from vfio_doctor.boot.backend import ArgumentEdit, BootBackend
from vfio_doctor.boot.bootc import Bootc
from vfio_doctor.boot.grubby import Grubby
from vfio_doctor.boot.rpm_ostree import RpmOstree
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.model import CommandStep, KernelArguments
from vfio_doctor.parse import cmdline
from vfio_doctor.repair import do_step as acting
from vfio_doctor.repair.plan import words_digest
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.syscalls import StepFailed
from vfio_doctor.repair.values import Basis, Ending, Plan, PlannedStep

pytestmark = pytest.mark.runs("python", "python3")
WANTED = KernelArguments(set_=("kvm.report_ignored_msrs=0",))
WORD = "kvm.report_ignored_msrs=0"
OTHERS = "kvm.report-ignored-msrs=1 kvm.report_ignored_msrs=1"


def machine_with(
    root: Path, options: str, entry: str = "ostree-1"
) -> played.PlayedHost:
    text = f"title t\nversion 1\noptions {options}\nlinux /vmlinuz\n"
    host = hosts.build(
        {
            f"/boot/loader/entries/{entry}.conf": text,
            "/proc/cmdline": f"{options}\n",
            "/proc/sys/kernel/random/boot_id": "first\n",
        },
        folders=("/run/standin",),
    )
    return played.PlayedHost(root, host.capture)


class BusyRunner(played.PlayedRunner):
    """Answers that an upgrade goes on, for ever."""

    def _run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        if argv[1] == "status":
            return CommandResult(argv, 0, '{"transaction": ["upgrade", "", ""]}', "")
        return super()._run(argv)


def fault(host: played.PlayedHost, tool: str, words: str) -> None:
    (host.root / f"run/standin/{tool}.fault").write_text(words)


def plan_for(host: played.PlayedHost, backend: BootBackend) -> Plan:
    before = backend.read(host)
    assert not isinstance(before, Missing), before
    edit = ArgumentEdit(before, cmdline.apply(before, WANTED))
    steps = backend.steps(host, edit)
    return Plan(
        tuple(PlannedStep(step, ("f",), (), True) for step in steps),
        arguments=edit,
        tool=backend.name,
        basis=(Basis("arguments", backend.name, words_digest(before)),),
    )


def read(host: played.PlayedHost, backend: BootBackend) -> tuple[str, ...]:
    host.moved()
    words = backend.read(host)
    assert not isinstance(words, Missing), words
    return words


def test_somebody_elses_transaction_is_waited_for(tmp_path: Path) -> None:
    host = machine_with(tmp_path, "ro quiet")
    told: list[object] = []
    slept: list[float] = []
    plan = plan_for(host, RpmOstree())
    fault(host, "rpm-ostree", "busy 3")
    made = played.machine(host, RpmOstree())
    made = made._replace(tell=told.append, sleep=slept.append)
    assert apply_plan(plan, made).ending is Ending.DONE
    assert read(host, RpmOstree()) == ("ro", "quiet", WORD)
    assert len(slept) == 3
    assert any("another rpm-ostree transaction (upgrade)" in str(line) for line in told)


def test_it_is_not_waited_for_without_end_and_never_cancelled(tmp_path: Path) -> None:
    host = machine_with(tmp_path, "ro quiet")
    plan = plan_for(host, RpmOstree())
    made = played.machine(host, RpmOstree())._replace(runner=BusyRunner(host))
    outcome = apply_plan(plan, made)
    assert outcome.ending is Ending.ROLLED_BACK
    assert "did not end" in str(outcome.why)
    assert isinstance(made.runner, played.PlayedRunner)
    assert not [argv for argv in made.runner.ran if "cancel" in argv]
    assert read(host, RpmOstree()) == ("ro", "quiet")


def test_a_call_that_changes_nothing_is_a_success(tmp_path: Path) -> None:
    host = machine_with(tmp_path, "ro quiet")
    (step,) = RpmOstree().steps(host, ArgumentEdit(("ro",), ("ro",)))
    assert isinstance(step, CommandStep)
    made = played.machine(host, RpmOstree())
    assert played.standin(host.root, step.argv).status == 77
    acting.command(step.argv, step, made)


@pytest.mark.parametrize(
    ("options", "after"),
    [
        ("ro kvm.ignore_msrs=1 quiet", f"ro kvm.ignore_msrs=1 quiet {WORD}"),
        ("ro kvm.report_ignored_msrs=1 quiet", f"ro quiet {WORD}"),
        ("ro kvm.report-ignored-msrs=1 quiet", f"ro quiet {WORD}"),
        (
            f"{WORD} ro kvm.report-ignored-msrs=1 kvm.report_ignored_msrs=1",
            f"{WORD} ro",
        ),
        ("ro ro quiet", f"ro ro quiet {WORD}"),
    ],
    ids=["another key", "another value", "the other spelling", "duplicates", "doubled"],
)
@pytest.mark.parametrize("version", ["exact", "key-only"])
def test_our_exact_words_arrive(
    tmp_path: Path, options: str, after: str, version: str
) -> None:
    host = machine_with(tmp_path, options)
    if version == "key-only":
        fault(host, "rpm-ostree", version)
    outcome = apply_plan(plan_for(host, RpmOstree()), played.machine(host, RpmOstree()))
    assert outcome.ending is Ending.DONE, outcome
    assert sorted(read(host, RpmOstree())) == sorted(after.split())


def test_words_for_init_stop_the_plan(tmp_path: Path) -> None:
    host = machine_with(tmp_path, "ro quiet -- single")
    with pytest.raises(CannotFix, match="contain `--`"):
        plan_for(host, RpmOstree())


OSTREE = (RpmOstree(), "ostree-1", "rpm-ostree")
BOOTC = (Bootc(), "ostree-1", "bootc")
GRUBBY = (Grubby(), "fedora", "grubby")
FAULTS = [
    pytest.param(*OSTREE, "no-space", id="rpm-ostree full"),
    pytest.param(*OSTREE, "half-way", id="rpm-ostree dies"),
    pytest.param(*BOOTC, "no-space", id="bootc full"),
    pytest.param(*BOOTC, "old", id="bootc without sources"),
    pytest.param(*GRUBBY, "no-space", id="grubby full"),
    pytest.param(*GRUBBY, "half-way", id="grubby dies"),
]


@pytest.mark.parametrize(("backend", "entry", "tool", "what"), FAULTS)
def test_a_tool_that_fails_leaves_the_words_of_before(
    tmp_path: Path, backend: BootBackend, entry: str, tool: str, what: str
) -> None:
    former = "" if tool == "bootc" else "kvm.report_ignored_msrs=1"
    host = machine_with(tmp_path, f"ro quiet {former}", entry)
    before = sorted(read(host, backend))
    plan = plan_for(host, backend)
    fault(host, tool, what)
    outcome = apply_plan(plan, played.machine(host, backend))
    assert outcome.ending in (Ending.ROLLED_BACK, Ending.STUCK), outcome
    (host.root / f"run/standin/{tool}.fault").unlink()
    assert outcome.why
    if what != "half-way":
        # Where the inverse fails as well the run stays open; nothing was changed.
        assert sorted(read(host, backend)) == before
    elif outcome.ending is Ending.ROLLED_BACK:
        assert sorted(read(host, backend)) == before


def test_a_service_that_does_not_answer_is_told_before_and_at_apply(
    tmp_path: Path,
) -> None:
    host = machine_with(tmp_path, "ro quiet")
    plan = plan_for(host, RpmOstree())
    fault(host, "rpm-ostree", "daemon-gone")
    host.moved()
    words = RpmOstree().read(host)
    assert isinstance(words, Missing)
    assert "rpm-ostreed" in str(words.detail)
    outcome = apply_plan(plan, played.machine(host, RpmOstree()))
    assert outcome.ending is Ending.REFUSED
    assert "rpm-ostreed" in str(outcome.why)


def test_bootc_keeps_our_source_over_a_reboot_and_takes_it_back(tmp_path: Path) -> None:
    host = machine_with(tmp_path, "ro quiet ostree=/x")
    plan = plan_for(host, Bootc())
    assert apply_plan(plan, played.machine(host, Bootc())).ending is Ending.DONE
    assert read(host, Bootc()) == ("ro", "quiet", WORD)
    step = plan.steps[0].step
    assert isinstance(step, CommandStep)
    acting.command(step.inverse, step, played.machine(host, Bootc()))
    assert read(host, Bootc()) == ("ro", "quiet")


def test_an_unknown_program_is_no_success(tmp_path: Path) -> None:
    host = machine_with(tmp_path, "ro")
    step = CommandStep(("nonesuch",))
    with pytest.raises(StepFailed):
        acting.command(step.argv, step, played.machine(host, None))
