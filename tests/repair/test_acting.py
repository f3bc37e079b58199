"""Steps one by one: boot tools that are busy, parameters that do not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import engine_trees as trees
from support.findings import finding
from support.rows import for_each
from vfio_doctor.api import Check, MissingFact
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import CommandResult, Missing, Why
from vfio_doctor.messages import verbatim
from vfio_doctor.model import (
    Applicability,
    CommandStep,
    FileContext,
    Finding,
    NodeStep,
    ParameterStep,
    PolicyModule,
    Severity,
)
from vfio_doctor.places import HostPlace
from vfio_doctor.repair.do_step import command, make, write_parameter
from vfio_doctor.repair.lasting import same_value
from vfio_doctor.repair.syscalls import Filesystem, StepFailed
from vfio_doctor.repair.target import Machine, boot_id
from vfio_doctor.repair.translate import translate
from vfio_doctor.repair.trusted import why_not
from vfio_doctor.repair.values import (
    Effect,
    Ending,
    Outcome,
    PlannedFix,
    Served,
    StepResult,
    StepState,
)
from vfio_doctor.repair.verify import verify

BUSY = "error: Transaction in progress: upgrade\n You can cancel"
KARGS = CommandStep(("rpm-ostree", "kargs"), (), (0, 77), "rpm-ostree")


class Scripted:
    """A boot tool that answers what it is told."""

    def __init__(self, *answers: CommandResult | Missing) -> None:
        self.answers = list(answers)
        self.ran: list[tuple[str, ...]] = []

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        if "status" in argv:
            return CommandResult(argv, 0, '{"transaction": null}', "")
        self.ran.append(argv)
        return self.answers.pop(0)


def machine(root: Path, *answers: CommandResult | Missing) -> Machine:
    made = trees.machine(root)
    return made._replace(runner=Scripted(*answers), sleep=lambda _: None)


def answer(status: int, stderr: str = "") -> CommandResult:
    return CommandResult((), status, "", stderr)


@pytest.mark.parametrize(
    ("answers", "said", "left"),
    [
        ((answer(0),), "", 0),
        ((answer(77),), "", 0),
        ((answer(1, BUSY), answer(1, BUSY), answer(0)), "", 0),
        ((answer(1, BUSY),) * 3, "Transaction in progress", 0),
        ((answer(1, "no space left"),), "ended with 1: no space left", 0),
        ((Missing("rpm-ostree", Why.TIMED_OUT, "no answer"),), "timed out", 0),
    ],
)
def test_a_busy_boot_tool_is_tried_again_and_an_error_is_told(
    tmp_path: Path, answers: tuple[CommandResult | Missing, ...], said: str, left: int
) -> None:
    where = machine(tmp_path, *answers)
    if said:
        with pytest.raises(StepFailed, match=said):
            command(KARGS.argv, KARGS, where)
    else:
        command(KARGS.argv, KARGS, where)
    assert isinstance(where.runner, Scripted)
    assert len(where.runner.answers) == left


def test_a_parameter_that_does_not_take_is_found_out(tmp_path: Path) -> None:
    trees.put(tmp_path, trees.PARAMETER, "Y\n")
    where = trees.machine(tmp_path)
    with pytest.raises(StepFailed, match="was changed to 'Y'"):
        write_parameter(where, trees.PARAMETER, "3", "4")

    class Deaf(Filesystem):
        def close(self, fd: int) -> None:
            super().close(fd)
            trees.put(tmp_path, trees.PARAMETER, "Y\n")

    deaf = where._replace(files=Deaf(str(tmp_path)))
    with pytest.raises(StepFailed, match="reads 'Y' after 'N' was written"):
        make(ParameterStep(trees.PARAMETER, "Y", "N"), deaf, "run", None)
    with pytest.raises(StepFailed, match="absent"):
        write_parameter(where, "/sys/module/none/parameters/x", "a", "b")


def test_a_leftover_that_became_a_device_is_left(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kvmfr0").symlink_to("null")
    with pytest.raises(StepFailed, match="not the leftover file any more"):
        make(NodeStep("/dev/kvmfr0", 1), trees.machine(tmp_path), "run", None)


def test_the_boot_is_known_by_its_id(tmp_path: Path) -> None:
    assert boot_id(LiveHost(str(tmp_path))) == ""
    trees.put(tmp_path, trees.BOOT_ID, "abc\n")
    assert boot_id(LiveHost(str(tmp_path))) == "abc"


@for_each(
    ("one", "other", "same"),
    [("Y", "1", True), ("N\n", "0", True), ("Y", "N", False), ("10", "1", False)],
)
def test_booleans_have_two_spellings(one: str, other: str, same: bool) -> None:
    assert same_value(one, other) is same


@pytest.mark.parametrize(
    ("local", "argv", "inverse"),
    [
        (None, ("-a", "-t", "svirt_t", "/x"), ("-d", "/x")),
        (
            "/x  system_u:object_r:old_t:s0\n",
            ("-m", "-t", "svirt_t", "/x"),
            ("-m", "-t", "old_t", "/x"),
        ),
    ],
)
def test_a_file_context_is_added_or_modified(
    tmp_path: Path,
    local: str | None,
    argv: tuple[str, ...],
    inverse: tuple[str, ...],
) -> None:
    if local:
        path = "/etc/selinux/targeted/contexts/files/file_contexts.local"
        trees.put(tmp_path, path, local)
    made = translate(FileContext("/x", "svirt_t", "/x"), LiveHost(str(tmp_path)))
    step = made.after[0]
    assert isinstance(step, CommandStep)
    assert step.argv == ("semanage", "fcontext", *argv)
    assert step.inverse == ("semanage", "fcontext", *inverse)


def test_a_policy_module_is_loaded_from_its_file(tmp_path: Path) -> None:
    path = "/etc/selinux/vfio-doctor/vfio-doctor-kvmfr.cil"
    made = translate(PolicyModule(path), LiveHost(str(tmp_path)))
    (step,) = made.after
    assert isinstance(step, CommandStep)
    assert step.argv == ("semodule", "-i", path)
    assert step.inverse == ("semodule", "-r", "vfio-doctor-kvmfr")
    assert why_not(step, None, None) is None
    for foreign in ("/etc/selinux/kvmfr.cil", "/tmp/vfio-doctor-kvmfr.cil"):
        assert why_not(step._replace(argv=("semodule", "-i", foreign)), None, None)
    assert why_not(step._replace(inverse=("semodule", "-r", "virt")), None, None)


class Tells(Check):
    """Ends as its id says."""

    severity = Severity.ERROR
    title = ""

    def judge(self, facts: Facts) -> list[Finding]:
        if self.id == "unknown":
            raise MissingFact(verbatim("denied"))
        return [finding("host", "")] if self.id == "bad" else []


class Bad(Tells):
    id = "bad"


class Good(Tells):
    id = "good"


class Unknown(Tells):
    id = "unknown"


class Waits(Tells):
    id = "waits"
    requires = ("bad",)


@pytest.mark.parametrize(
    ("check", "reboot", "late", "effect"),
    [
        ("good", False, False, Effect.RESOLVED),
        ("good", False, True, Effect.RESOLVED),
        # An image holds it at once; what runs came from the old one.
        ("good", True, False, Effect.AFTER_REBOOT),
        ("bad", False, False, Effect.FAILING),
        ("bad", True, False, Effect.AFTER_REBOOT),
        ("bad", False, True, Effect.AFTER_REBOOT),
        ("unknown", False, False, Effect.UNKNOWN),
        ("waits", False, False, Effect.UNKNOWN),
    ],
)
def test_looking_again_tells_what_became_of_a_finding(
    tmp_path: Path, check: str, reboot: bool, late: bool, effect: Effect
) -> None:
    registry = Registry((Bad, Good, Unknown, Waits), ())
    fix = PlannedFix(
        "f",
        verbatim("cure it"),
        Applicability.SAFE,
        reboot,
        (Served(check, HostPlace()),),
        (),
    )
    state = StepState.LATE if late else StepState.DONE
    outcome = Outcome(Ending.DONE, "", (StepResult(0, KARGS, state),))
    facts = Facts(LiveHost(str(tmp_path)))
    [verdict] = verify(facts, registry, (fix,), outcome)
    assert verdict.effect is effect
    assert verify(facts, registry, (), outcome) == ()
