from __future__ import annotations

import json

import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.boot.selection import named
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult, Missing, Why
from vfio_doctor.repair.guards import (
    Guard,
    NoVm,
    Unheld,
    Unused,
    as_word,
    broken,
    from_word,
)
from vfio_doctor.repair.runner import LiveRunner, NoRunner

VM = {"/proc/77/comm": "qemu-system-x86\n"}
MAPS = {"/proc/9/maps": "7f00-7f10 rw-s 00000000 00:05 1 /dev/kvmfr0\n"}
FD = {"/proc/8/fd/5": hosts.link("/dev/kvmfr0")}
REFCNT = "/sys/module/kvmfr/refcnt"


@for_each(
    ("guard", "host", "said"),
    [
        (NoVm(), hosts.build({"/proc/1/comm": "systemd\n"}), ""),
        (NoVm(), hosts.build(VM), "a virtual machine is running (process 77)"),
        (NoVm(), hosts.build({}), ""),
        (Unused("kvmfr"), hosts.build({REFCNT: "0\n"}), ""),
        (Unused("kvmfr"), hosts.build({REFCNT: "2\n"}), "the module kvmfr is in use"),
        (Unused("kvmfr"), hosts.build({}), ""),
        (
            Unused("kvmfr"),
            hosts.build({REFCNT: hosts.denied(REFCNT)}),
            "whether kvmfr is in use is not known: /sys/module/kvmfr/refcnt: denied "
            "(Permission denied)",
        ),
        (
            Unheld("/dev/kvmfr0"),
            hosts.build({}, FD),
            "/dev/kvmfr0 is in use by process 8",
        ),
        (
            Unheld("/dev/kvmfr0"),
            hosts.build(MAPS),
            "/dev/kvmfr0 is in use by process 9",
        ),
        (Unheld("/dev/kvmfr1"), hosts.build(MAPS, FD), ""),
    ],
)
def test_a_guard_says_who_would_be_hurt(
    guard: Guard, host: CapturedHost, said: str
) -> None:
    assert str(broken(guard, host) or "") == said


@for_each(
    ("guard", "word"),
    [
        (NoVm(), "no-vm"),
        (Unused("kvmfr"), "unused:kvmfr"),
        (Unheld("/dev/a:b"), "unheld:/dev/a:b"),
    ],
)
def test_a_journal_spells_a_guard_as_it_always_did(guard: Guard, word: str) -> None:
    assert as_word(guard) == word
    assert from_word(word) == guard


class Status:
    """rpm-ostree that is busy for a while."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if text is None:
            return Missing("rpm-ostree", Why.ABSENT)
        return CommandResult(argv, 0, text, "")


BUSY = json.dumps({"transaction": ["upgrade", ":1.9", "/path"]})
IDLE = json.dumps({"transaction": None})


@for_each(
    ("tool", "answers", "pauses", "said"),
    [
        ("", (BUSY,), 0, ""),
        ("rpm-ostree", (IDLE,), 0, ""),
        ("rpm-ostree", (BUSY, BUSY, IDLE), 2, ""),
        ("rpm-ostree", ("not json",), 0, ""),
        ("rpm-ostree", ("[]",), 0, ""),
        ("rpm-ostree", (None,), 0, ""),
        ("rpm-ostree", (BUSY,), 301, "did not end within 600 s"),
    ],
)
def test_a_foreign_transaction_is_waited_for(
    tool: str, answers: tuple[str | None, ...], pauses: int, said: str
) -> None:
    slept: list[float] = []
    said_: list[object] = []
    why = named(tool).wait_until_idle(Status(*answers), slept.append, said_.append)
    assert said in str(why)
    assert bool(said) == (why is not None)
    assert len(slept) == len(said_) == pauses


@pytest.mark.runs("echo", "no-such-program")
def test_programs_get_words_and_never_a_shell() -> None:
    words = ("echo", "$HOME", "; id", "`id`", "a\nb", "*")
    answer = LiveRunner().run(words, 10)
    assert isinstance(answer, CommandResult)
    assert answer.stdout == " ".join(words[1:]) + "\n"
    gone = LiveRunner().run(("no-such-program",), 1)
    assert isinstance(gone, Missing)
    assert gone.why is Why.ABSENT
    assert isinstance(NoRunner().run(("echo",), 1), Missing)
