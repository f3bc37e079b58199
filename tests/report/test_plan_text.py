from __future__ import annotations

import json

import pytest

from support.rows import for_each
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.messages import verbatim
from vfio_doctor.model import (
    Applicability,
    CommandStep,
    FileStep,
    KernelArguments,
    NodeStep,
    ParameterStep,
    Step,
)
from vfio_doctor.places import NodePlace
from vfio_doctor.repair.values import (
    Effect,
    Ending,
    Outcome,
    Plan,
    PlannedFix,
    PlannedStep,
    Refused,
    Served,
    StepResult,
    StepState,
    Verdict,
)
from vfio_doctor.report.json import text
from vfio_doctor.report.plan import (
    NOT_SEEN,
    NOTHING,
    command,
    outcome_lines,
    plan_lines,
)
from vfio_doctor.report.plan_document import plan_document, results_document

EVIL = "a\x1b[31m\u202e\nb"
SAID = verbatim(EVIL)
FOUND = (Served("check-a", NodePlace(EVIL)),)
CHANGE = FileStep("/etc/x", b"one\ntwo\n", b"one\n2\x1b\n")
CALL = CommandStep(
    ("rpm-ostree", "kargs", "--append=a=$(id)"), why=verbatim("change them")
)


def a_fix(how: Applicability = Applicability.SAFE, reboot: bool = False) -> PlannedFix:
    wish = (KernelArguments(set_=("a=1",)),)
    return PlannedFix("fix-a", verbatim(EVIL), how, reboot, FOUND, wish)


def planned(*steps: Step, tool: str = "rpm-ostree", reboot: bool = True) -> Plan:
    return Plan(
        tuple(PlannedStep(step, ("fix-a",)) for step in steps),
        (a_fix(reboot=reboot),),
        (a_fix(Applicability.RISKY), a_fix(Applicability.MANUAL)),
        (Refused(("fix-b",), FOUND, verbatim(EVIL), unseen=True),),
        ArgumentEdit(("ro", "old"), ("ro", "a=1")) if tool else None,
        tool,
    )


WHOLE = planned(
    CommandStep((), ("undo", "only")),
    CHANGE,
    FileStep("/etc/new", None, b"x\n", 0o600),
    FileStep("/etc/old", b"y", None),
    CALL,
    NodeStep("/dev/kvmfr0", 42),
    CommandStep(("udevadm", "settle"), brings_forward=True, why=verbatim("wait")),
    ParameterStep("/sys/module/a/parameters/b", "Y", "N"),
)


def test_a_whole_plan() -> None:
    lines = plan_lines(WHOLE)
    for line in (
        "1. Change /etc/x",
        "   -two",
        "   +2\\x1b",
        "2. Write /etc/new",
        "   mode 0600",
        "3. Delete /etc/old",
        "4. Run rpm-ostree kargs '--append=a=$(id)'",
        "5. Remove the leftover file /dev/kvmfr0 (42 bytes; cannot be undone)",
        "   to wait; otherwise it takes effect at the next boot",
        "7. Set /sys/module/a/parameters/b from Y to N, now",
        "  before: ro old",
        "  after:  ro a=1",
        "A reboot is needed: some of it takes effect at the next boot.",
        "To take back all but what cannot be undone: `sudo vfio-doctor undo`",
        "    sudo rpm-ostree rollback",
        "    sudo reboot",
        "  - kernel arguments: set a=1",
    ):
        assert line in lines
    assert not any("undo only" in line for line in lines)
    assert any(line.endswith("; run as root to see it") for line in lines)


def test_what_cannot_be_undone_is_not_promised() -> None:
    alone = planned(NodeStep("/dev/kvmfr0", 42))._replace(arguments=None)
    assert not any("vfio-doctor undo" in line for line in plan_lines(alone))
    done = StepResult(0, alone.steps[0].step, StepState.DONE)
    made = outcome_lines(Outcome(Ending.DONE, "run", (done,)))
    assert not any("vfio-doctor undo" in line for line in made)


def test_what_may_be_lost_is_said_with_the_fix() -> None:
    risky = a_fix(Applicability.RISKY)._replace(may_be_lost=verbatim("all of it"))
    lines = plan_lines(planned(CALL)._replace(fixes=(risky,)))
    assert "    all of it" in lines


def test_no_line_carries_what_a_terminal_obeys() -> None:
    outcome = Outcome(
        Ending.UNDONE,
        "run",
        (StepResult(0, CHANGE, StepState.KEPT, SAID, (EVIL, EVIL + "\nmore")),),
        SAID,
    )
    verdicts = (Verdict(FOUND[0], Effect.FAILING, SAID),)
    for line in (*plan_lines(WHOLE), *outcome_lines(outcome, verdicts)):
        assert line.isprintable(), line


@for_each(
    ("tool", "said"),
    [
        ("rpm-ostree", "sudo rpm-ostree rollback"),
        ("bootc", "sudo bootc rollback"),
        ("GRUB", "press e, remove a=1 and put old back, start it"),
        ("", "To take all of it back: `sudo vfio-doctor undo`"),
    ],
)
def test_the_way_back(tool: str, said: str) -> None:
    text_ = "\n".join(plan_lines(planned(CALL, tool=tool, reboot=bool(tool))))
    assert said in text_
    assert ("No reboot is needed." in text_) == (not tool)


def test_an_empty_plan_says_so() -> None:
    assert plan_lines(Plan(())) == [str(NOTHING)]


@pytest.mark.parametrize("unseen", [False, True])
def test_a_plan_that_only_root_can_make_says_so(unseen: bool) -> None:
    refused = Refused(("fix-b",), FOUND, verbatim("/etc/default/grub: denied"), unseen)
    first = plan_lines(Plan((), refused=(refused,)))[0]
    assert first == str(NOT_SEEN if unseen else NOTHING)
    assert plan_document(Plan(()))["way_back"] == []


def test_a_lost_line_end_is_seen() -> None:
    lines = plan_lines(planned(FileStep("/etc/x", b"a\n", b"a")))
    assert "   \\ the line end at the end of the file differs" in lines


@for_each("ending", Ending)
def test_every_ending_has_a_sentence(ending: Ending) -> None:
    [line] = outcome_lines(Outcome(ending, "run-1", (), verbatim("because")))
    assert "because" in line


def test_what_somebody_changed_is_shown_from_both_sides() -> None:
    undone = StepResult(1, CALL, StepState.UNDONE)
    waiting = StepResult(2, CALL, StepState.WAITING)
    short = StepResult(0, CHANGE, StepState.KEPT, verbatim("changed"), ("N", "Y"))
    long = StepResult(
        0, CHANGE, StepState.KEPT, verbatim("changed"), ("a\nb\n", "a\nc\n")
    )
    hidden = StepResult(3, CommandStep((), ("x",)), StepState.UNDONE)
    failed = StepResult(4, CommandStep((), ("x",)), StepState.KEPT, verbatim("no"))
    steps = (short, long, undone, waiting, hidden, failed)
    lines = outcome_lines(Outcome(Ending.UNDONE, "run", steps))
    assert "    we left: N" in lines
    assert "    now:     Y" in lines
    assert "    -b" in lines
    assert "    +c" in lines
    assert sum("Run" in line for line in lines[1:]) == 2


def test_the_document_is_plain_json() -> None:
    outcome = Outcome(Ending.DONE, "run", (StepResult(0, CHANGE, StepState.DONE),))
    verdicts = (Verdict(FOUND[0], Effect.AFTER_REBOOT),)
    results = results_document(outcome, verdicts)
    made = json.loads(text([plan_document(WHOLE), results]))
    assert [step["kind"] for step in made[0]["steps"]][1:4] == ["file"] * 3
    assert made[0]["arguments"] == {"before": ["ro", "old"], "after": ["ro", "a=1"]}
    assert made[1][0]["findings"][0]["effect"] == "resolved after reboot"


def test_a_command_can_be_typed() -> None:
    assert command(("a", "b c", "$(id)", "\x1b")) == "a 'b c' '$(id)' '\\x1b'"
