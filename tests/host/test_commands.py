"""Listed commands, and what becomes of one that misbehaves."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from support.effort import mostly_slow
from support.rows import for_each
from vfio_doctor.host import commands, details
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import CommandResult, Missing, Why
from vfio_doctor.host.running import OUTPUT_LIMIT, run


@for_each(
    "argv",
    [
        ("rpm-ostree", "kargs"),
        ("modinfo", "-k", "6.14.6-105.bazzite.fc42.x86_64", "kvmfr"),
        ("getent", "passwd", "1000"),
        ("getent", "passwd", "alice.b@example"),
        ("getent", "group", "libvirt-qemu"),
        ("kernelstub", "-p"),
    ],
    ids=" ".join,
)
def test_listed_commands_have_a_time_limit(argv: tuple[str, ...]) -> None:
    assert 0 < (commands.time_limit(argv) or 0) <= 20


@for_each(
    "argv",
    [
        (),
        ("sh", "-c", "true"),
        ("rpm-ostree", "kargs", "--append=x"),
        ("rpm-ostree",),
        ("modinfo", "-F", "6.1", "kvmfr"),
        ("getent", "hosts", "a b"),
    ],
    ids=" ".join,
)
def test_everything_else_is_our_own_fault(argv: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="not a listed command"):
        LiveHost().run(argv)


@for_each(
    "argv",
    [
        ("modinfo", "-k", "--basedir=/x", "kvmfr"),
        ("modinfo", "-k", "../../x", "kvmfr"),
        ("modinfo", "-k", "6.1-me@home", "kvmfr"),
        ("getent", "passwd", "-s"),
        ("getent", "passwd", "a b"),
        ("getent", "passwd", "a\n"),
        ("getent", "passwd", ""),
        ("lsinitramfs", "/boot/initrd.img-6.1;id"),
        ("lsinitcpio", "/boot/initramfs--h.img"),
        ("lsinitrd", "/boot/initramfs-../../etc/x.img"),
    ],
    ids=" ".join,
)
def test_an_odd_word_is_given_to_no_program(argv: tuple[str, ...]) -> None:
    found = LiveHost().run(argv)
    assert isinstance(found, Missing)
    assert (found.why, found.detail) == (Why.FAILED, details.ODD_WORD)


def test_every_form_is_used_and_every_program_is_plain() -> None:
    words = {word for argv in commands.LISTED for word in argv}
    assert {w for w in words if w.startswith("{")} == set(commands.FORMS)
    assert not any("/" in argv[0] or "{" in argv[0] for argv in commands.LISTED)


def test_a_program_that_is_not_installed_is_absent() -> None:
    names = ("bootc", "rpm-ostree", "grubby", "kernelstub", "mokutil")
    absent = next(name for name in names if commands.find(name, os.path.isfile) is None)
    answer = LiveHost().run((absent, "--version"))
    assert isinstance(answer, Missing)
    assert (answer.why, str(answer.detail)) == (Why.ABSENT, "not installed")


@pytest.mark.runs("getent")
def test_a_real_command_on_this_machine() -> None:
    answer = LiveHost().run(("getent", "passwd", "0"))
    assert isinstance(answer, CommandResult)
    assert (answer.status, answer.stdout.split(":")[0]) == (0, "root")


def program(folder: Path, body: str, first: str = f"#!{sys.executable} -S\n") -> str:
    path = folder / "program"
    path.write_text(first + body)
    path.chmod(0o755)
    return str(path)


@pytest.mark.runs("program")
def test_outputs_are_apart_and_the_environment_is_fixed(tmp_path: Path) -> None:
    body = (
        "import os, sys\n"
        "print(sorted(os.environ), os.getcwd(), repr(sys.stdin.read()), sys.argv[1])\n"
        "print(os.getsid(0) == os.getpid(), file=sys.stderr)\n"
        "sys.stderr.buffer.write(bytes([255]))\n"
        "sys.exit(7)\n"
    )
    os.environ["VFIO_DOCTOR_SECRET"] = "x"
    answer = run(program(tmp_path, body), ("program", "a b;$(c)"), 10)
    del os.environ["VFIO_DOCTOR_SECRET"]
    assert isinstance(answer, CommandResult)
    assert answer.status == 7
    assert answer.stdout == "['LANG', 'LC_ALL', 'PATH'] / '' a b;$(c)\n"
    assert answer.stderr == "True\n\N{REPLACEMENT CHARACTER}"


ENDLESS = {
    "sleeps": "import time; time.sleep(60)\n",
    "leaves-a-child": "import os, time\nif os.fork(): os._exit(0)\ntime.sleep(60)\n",
    "closes-its-outputs": "import os, time\nos.close(1); os.close(2); time.sleep(60)\n",
    "ignores-TERM": "import signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
    "time.sleep(60)\n",
    "chatters": "import sys, time\nwhile True: print(1, flush=True); time.sleep(0.1)\n",
}


@pytest.mark.runs("program")
@pytest.mark.parametrize("what", mostly_slow(list(ENDLESS), 5))
def test_a_program_that_does_not_end_is_killed_in_time(
    tmp_path: Path, what: str
) -> None:
    start = time.monotonic()
    answer = run(program(tmp_path, ENDLESS[what]), ("program",), 0.5)
    assert isinstance(answer, Missing)
    assert (answer.why, str(answer.detail)) == (Why.TIMED_OUT, "no answer in 0.5 s")
    assert time.monotonic() - start < 5


@pytest.mark.runs("program")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_half_an_answer_is_none(tmp_path: Path, stream: str) -> None:
    body = f"import sys\nwhile True: sys.{stream}.write('x' * 65536)\n"
    answer = run(program(tmp_path, body), ("program",), 30)
    assert isinstance(answer, Missing)
    assert answer.why is Why.FAILED
    assert str(OUTPUT_LIMIT) in str(answer.detail)


@pytest.mark.runs("program")
def test_a_large_honest_answer_comes_whole(tmp_path: Path) -> None:
    body = f"import sys\nsys.stdout.write('y' * {OUTPUT_LIMIT})\n"
    answer = run(program(tmp_path, body), ("program",), 30)
    assert isinstance(answer, CommandResult)
    assert len(answer.stdout) == OUTPUT_LIMIT


@pytest.mark.runs("program", "nowhere")
@pytest.mark.parametrize(
    ("first", "mode", "why"),
    [
        ("#!/nowhere\n", 0o755, Why.ABSENT),
        ("#!/bin/true\n", 0o600, Why.DENIED),
        ("\0\1\2", 0o755, Why.FAILED),
    ],
    ids=["no-interpreter", "not-executable", "no-program"],
)
def test_what_cannot_be_started_says_why(
    tmp_path: Path, first: str, mode: int, why: Why
) -> None:
    path = program(tmp_path, "", first)
    os.chmod(path, mode)
    answer = run(path, ("program",), 5)
    assert isinstance(answer, Missing)
    assert answer.why is why


def test_the_search_path_is_asked_in_order() -> None:
    there = {"/usr/bin/x", "/bin/x"}
    assert commands.find("x", there.__contains__) == "/usr/bin/x"
    assert commands.find("y", there.__contains__) is None
