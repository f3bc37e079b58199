"""Back ends that run a tool: the exact call, and the call that undoes it."""

import json

import pytest

from support import hosts
from support.ostree_files import staged
from support.rows import for_each
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.bootc import Bootc, usable
from vfio_doctor.boot.grubby import Grubby
from vfio_doctor.boot.kernelstub import Kernelstub
from vfio_doctor.boot.rpm_ostree import RpmOstree
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import Missing
from vfio_doctor.model import CommandStep, FileStep

KARGS = ("rpm-ostree", "kargs")
EDIT = ArgumentEdit(("quiet", "a=1", "b"), ("quiet", "a=2", "c"))


def test_rpm_ostree_is_one_call_of_exact_words() -> None:
    host = hosts.build({}, commands={KARGS: hosts.ran(KARGS, "quiet a=1 b\n")})
    assert RpmOstree().read(host) == ("quiet", "a=1", "b")
    (step,) = RpmOstree().steps(host, EDIT)
    assert isinstance(step, CommandStep)
    head = (*KARGS, "--unchanged-exit-77")
    calls = ("--delete=a=1", "--delete=b", "--append=a=2", "--append=c")
    assert step.argv == (*head, *calls)
    assert step.inverse == (
        *head, "--delete=a=2", "--delete=c", "--append=a=1", "--append=b",
    )  # fmt: skip
    assert (step.accepted, step.waits_for) == ((0, 77), "rpm-ostree")


def test_rpm_ostree_that_fails_is_unknown() -> None:
    answer = hosts.ran(KARGS, "", 1)._replace(stderr="error: daemon\n")
    missing = RpmOstree().read(hosts.build({}, commands={KARGS: answer}))
    assert isinstance(missing, Missing)
    assert missing.detail == "error: daemon"
    assert isinstance(RpmOstree().read(hosts.build({})), Missing)


@for_each("backend", [RpmOstree(), Bootc(), Grubby(), Kernelstub()])
def test_words_for_init_are_not_written_behind(backend: RpmOstree) -> None:
    with pytest.raises(CannotFix, match="--"):
        backend.steps(hosts.build({}), ArgumentEdit(("a", "--", "b"), ("a", "c")))


def entry(version: int, options: str, ours: str = "") -> str:
    source = f"x-options-source-vfio-doctor {ours}\n" if ours else ""
    return f"title t\nversion {version}\noptions {options}\n{source}linux /x\n"


def test_bootc_sets_its_own_source_and_undo_sets_the_former_value() -> None:
    host = hosts.build(
        {
            "/boot/loader/entries/ostree-1.conf": entry(1, "old"),
            "/boot/loader/entries/ostree-2.conf": entry(2, "quiet a=1", "a=1"),
        }
    )
    assert Bootc().read(host) == ("quiet", "a=1")
    edit = ArgumentEdit(("quiet", "a=1"), ("quiet", "a=2"))
    (step,) = Bootc().steps(host, edit)
    assert isinstance(step, CommandStep)
    head = (
        "bootc", "loader-entries", "set-options-for-source", "--source", "vfio-doctor",
    )  # fmt: skip
    assert step.argv == (*head, "--options", "a=2")
    assert step.inverse == (*head, "--options", "a=1")


STAGED = "/run/ostree/staged-deployment"


def test_bootc_builds_upon_what_is_staged_and_not_booted_yet() -> None:
    """The words that a first run has staged must not be lost by a second one."""
    extra = [("x-options-source-vfio-doctor", "a=1"), ("x-options-source-tuned", "b")]
    host = hosts.build(
        {
            "/boot/loader/entries/ostree-1.conf": entry(1, "quiet ostree=/x"),
            STAGED: staged(["quiet", "a=1", "b"], extra),
        }
    )
    words = Bootc().read(host)
    assert words == ("quiet", "a=1", "b")
    (step,) = Bootc().steps(host, ArgumentEdit(words, (*words, "c=3")))
    assert isinstance(step, CommandStep)
    assert (step.argv[-1], step.inverse[-1]) == ("a=1 c=3", "a=1")
    with pytest.raises(CannotFix, match="b was set"):
        Bootc().steps(host, ArgumentEdit(words, ("quiet", "a=1")))


@pytest.mark.parametrize("content", ["x", hosts.denied(STAGED)])
def test_bootc_says_so_where_a_staged_deployment_cannot_be_read(
    content: str | Missing,
) -> None:
    files = {"/boot/loader/entries/ostree-1.conf": entry(1, "quiet"), STAGED: content}
    host = hosts.build(files)
    assert isinstance(Bootc().read(host), Missing)
    with pytest.raises(CannotFix, match="staged-deployment"):
        Bootc().steps(host, ArgumentEdit(("quiet",), ("quiet", "a")))


def test_bootc_leaves_the_word_that_ostree_adds_itself() -> None:
    files = {"/boot/loader/entries/ostree-1.conf": entry(1, "quiet ostree=/x")}
    assert Bootc().read(hosts.build(files)) == ("quiet",)


def test_bootc_does_not_take_out_what_others_set() -> None:
    host = hosts.build({"/boot/loader/entries/ostree-1.conf": entry(1, "iommu=off")})
    with pytest.raises(CannotFix, match="iommu=off"):
        Bootc().steps(host, ArgumentEdit(("iommu=off",), ()))


@for_each(
    ("bootc", "ostree", "is_usable"),
    [
        ("bootc 1.16.9\n", "libostree:\n Version: '2026.1'\n", True),
        ("bootc 1.15.2\n", "libostree:\n Version: '2026.2'\n", True),
        ("bootc 1.15.1\n", "libostree:\n Version: '2026.1'\n", False),
        ("bootc 1.16.9\n", "libostree:\n Version: '2025.7'\n", False),
        ("", "", False),
    ],
)
def test_bootc_versions(bootc: str, ostree: str, is_usable: bool) -> None:
    calls = {("bootc", "--version"): bootc, ("ostree", "--version"): ostree}
    host = hosts.build({}, commands={a: hosts.ran(a, t) for a, t in calls.items()})
    assert usable(host) is is_usable


def test_grubby_keeps_both_files_for_new_kernels_in_step() -> None:
    info = ("grubby", "--info=DEFAULT")
    text = 'index=0\nkernel="/boot/vmlinuz"\nargs="ro quiet a=1 b"\nroot="UUID=x"\n'
    host = hosts.build(
        {
            "/etc/default/grub": 'GRUB_CMDLINE_LINUX="quiet a=1 b"\n',
            "/etc/kernel/cmdline": "root=UUID=x ro quiet a=1\n",
        },
        commands={info: hosts.ran(info, text)},
    )
    assert Grubby().read(host) == ("ro", "quiet", "a=1", "b")
    edit = ArgumentEdit(("ro", "quiet", "a=1", "b"), ("ro", "quiet", "a=2", "c"))
    defaults, line, call = Grubby().steps(host, edit)
    assert isinstance(defaults, FileStep)
    assert isinstance(line, FileStep)
    assert isinstance(call, CommandStep)
    assert defaults.after == b'GRUB_CMDLINE_LINUX="quiet a=2 c"\n'
    assert line.after == b"root=UUID=x ro quiet a=2 c\n"
    update = ("grubby", "--update-kernel=ALL")
    assert call.argv == (*update, "--remove-args=a=1 b", "--args=a=2 c")
    assert call.inverse == (*update, "--remove-args=a=2 c", "--args=a=1 b")


def test_grubby_without_an_answer_is_unknown() -> None:
    info = ("grubby", "--info=DEFAULT")
    assert isinstance(Grubby().read(hosts.build({})), Missing)
    host = hosts.build({}, commands={info: hosts.ran(info, "index=0\n")})
    assert isinstance(Grubby().read(host), Missing)


@pytest.mark.parametrize("options", [["quiet", "a=1"], "quiet a=1"])
def test_kernelstub(options: object) -> None:
    text = json.dumps({"user": {"kernel_options": options}})
    host = hosts.build({"/etc/kernelstub/configuration": text})
    assert Kernelstub().read(host) == ("quiet", "a=1")
    edit = ArgumentEdit(("quiet", "a=1"), ("quiet", "b"))
    (call,) = Kernelstub().steps(host, edit)
    assert isinstance(call, CommandStep)
    assert call.argv == ("kernelstub", "-o", "quiet b")
    assert call.inverse == ("kernelstub", "-o", "quiet a=1")
    with pytest.raises(CannotFix, match="empty line"):
        Kernelstub().steps(host, ArgumentEdit(("a",), ()))


@for_each("text", ["", "[]", '{"user": []}', '{"user": {}}'])
def test_kernelstub_configuration_that_is_none(text: str) -> None:
    host = hosts.build({"/etc/kernelstub/configuration": text})
    assert isinstance(Kernelstub().read(host), Missing)
