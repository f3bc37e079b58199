from __future__ import annotations

from collections.abc import Iterator

from support import hosts
from support.findings import finding
from support.rows import for_each
from vfio_doctor.api import Check, Fix
from vfio_doctor.boot.backend import ArgumentEdit, BootBackend
from vfio_doctor.diagnosis.offer import offer
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Missing, Reader, Stat
from vfio_doctor.messages import verbatim
from vfio_doctor.model import (
    Applicability,
    Change,
    CheckResult,
    CommandStep,
    DeleteFile,
    Diagnosis,
    EditLine,
    EnableUnit,
    FileContext,
    FileStep,
    Finding,
    KernelArguments,
    LoadModule,
    NodeStep,
    ParameterStep,
    RestartService,
    RuntimeParameter,
    Severity,
    Status,
    Step,
    UdevTrigger,
    WriteFile,
)
from vfio_doctor.repair.guards import NoVm, Unused
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.values import Plan

WHY = verbatim("leftover")
CONF = "/etc/modprobe.d/kvmfr.conf"
PARAMETER = "/sys/module/kvm/parameters/report_ignored_msrs"
FILES = {
    CONF: "# size\noptions kvmfr static_size_mb=32\n",
    PARAMETER: "Y\n",
    "/etc/odd\r": "a\r\nb",
}
SAFE, RISKY, MANUAL = Applicability


class Boot(BootBackend):
    """A boot tool of one command."""

    name = "test-boot"

    def __init__(
        self,
        words: tuple[str, ...] | Missing = ("ro", "iommu=off"),
        refuses: str = "",
    ) -> None:
        self.words = words
        self.refuses = refuses

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        return self.words

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        if self.refuses and self.refuses in edit.after:
            raise CannotFix(verbatim(f"{self.refuses} by hand"))
        return (CommandStep(("set", *edit.after), ("set", *edit.before)),)


def a_fix(
    name: str, *wanted: Change, how: Applicability = SAFE, cannot: str = ""
) -> type[Fix]:
    class OneFix(Fix):
        id = name
        solves = (f"check-{name}",)
        applicability = how
        summary = f"do {name}"

        def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
            if cannot:
                raise CannotFix(verbatim(cannot))
            yield from wanted

    return OneFix


class OneCheck(Check):
    id = "check-a"


def results(facts: Facts, *fixes: type[Fix]) -> Iterator[CheckResult]:
    registry = Registry((), fixes)
    for check in sorted({check for fix in fixes for check in fix.solves}):
        bad = finding("host")
        offered = offer(check, bad, facts, registry)
        found = (Diagnosis(bad, Severity.ERROR, offered),)
        yield CheckResult(check, check, Severity.ERROR, Status.FAIL, diagnoses=found)


def plan(
    *fixes: type[Fix],
    host: CapturedHost | None = None,
    boot: Boot | str | None = None,
    risky: bool = False,
) -> Plan:
    host = host or hosts.build(FILES, folders=["/etc/udev/rules.d", "/sys/module/kvm"])
    facts = Facts(host)
    tool = verbatim(boot) if isinstance(boot, str) else boot or Boot()
    return make_plan(host, facts, tuple(results(facts, *fixes)), tool, risky)


def steps(made: Plan) -> list[Step]:
    return [planned.step for planned in made.steps]


def reasons(made: Plan) -> list[str]:
    return [str(refused.why) for refused in made.refused]


def test_arguments_of_all_fixes_are_one_transaction() -> None:
    made = plan(
        a_fix("a", KernelArguments(set_=("kvm.ignore_msrs=1",))),
        a_fix("b", KernelArguments(remove_items=(("iommu", "off"),))),
    )
    assert steps(made) == [
        CommandStep(("set", "ro", "kvm.ignore_msrs=1"), ("set", "ro", "iommu=off"))
    ]
    assert made.steps[0].fixes == ("a", "b")
    assert made.arguments == (("ro", "iommu=off"), ("ro", "kvm.ignore_msrs=1"))


def test_edits_of_one_file_are_one_step() -> None:
    made = plan(
        a_fix("a", EditLine(CONF, "# size", "# my size"), EditLine(CONF, "", "# end")),
        a_fix("b", EditLine(CONF, "options kvmfr static_size_mb=32", None)),
    )
    before = FILES[CONF].encode()
    assert steps(made) == [FileStep(CONF, before, b"# my size\n# end\n")]
    assert made.steps[0].fixes == ("a", "b")


def test_the_order_is_files_arguments_leftovers_udev_modules_parameters() -> None:
    stats = {"/dev/kvmfr0": Stat(Kind.FILE, 0o600, 0, 0, size=7)}
    made = plan(
        a_fix(
            "a",
            RuntimeParameter(PARAMETER, "N"),
            LoadModule("kvmfr"),
            UdevTrigger("kvmfr"),
            DeleteFile("/dev/kvmfr0", WHY),
            KernelArguments(set_=("a=1",)),
            WriteFile("/etc/udev/rules.d/70-kvmfr.rules", "x\n", 0o600),
            RestartService("libvirtd.service"),
            FileContext("/dev/x", "svirt_t", "/dev/x"),
        ),
        host=hosts.build(FILES, stats),
    )
    kinds = [s.argv[:2] if isinstance(s, CommandStep) else type(s) for s in steps(made)]
    assert [k for k in kinds if k != ()] == [
        FileStep,
        ("semanage", "fcontext"),
        ("restorecon", "-R"),
        ("set", "ro"),
        NodeStep,
        ("udevadm", "control"),
        ("udevadm", "trigger"),
        ("udevadm", "settle"),
        ("modprobe", "kvmfr"),
        ParameterStep,
        ("systemctl", "try-restart"),
    ]
    only_undo = [
        s.inverse for s in steps(made) if isinstance(s, CommandStep) and not s.argv
    ]
    assert [argv[:2] for argv in reversed(only_undo)] == [
        ("restorecon", "-R"),
        ("udevadm", "control"),
        ("udevadm", "trigger"),
        ("udevadm", "settle"),
        ("systemctl", "try-restart"),
    ]


@for_each(
    ("one", "other", "said"),
    [
        (
            KernelArguments(set_=("a=1",)),
            KernelArguments(set_=("a=2",)),
            "a=1 and a=2",
        ),
        (
            KernelArguments(set_=("a-b=1",)),
            KernelArguments(add_items=(("a_b", "x"),)),
            "a-b=1: set, and edited inside",
        ),
        (
            KernelArguments(set_=("a=1",)),
            KernelArguments(remove=("a=1",)),
            "a=1: set and taken out",
        ),
        (
            KernelArguments(add_items=(("a", "x"),)),
            KernelArguments(remove_items=(("a", "x"),)),
            "a: x added and taken out",
        ),
        (WriteFile(CONF, "x"), WriteFile(CONF, "y"), f"{CONF}: two wishes"),
        (WriteFile(CONF, "x"), DeleteFile(CONF, WHY), f"{CONF}: two wishes"),
        (EditLine(CONF, "a", "b"), EditLine(CONF, "a", None), f"{CONF}: two wishes"),
        (
            RuntimeParameter(PARAMETER, "N"),
            RuntimeParameter(PARAMETER, "Y"),
            f"{PARAMETER}: N and Y",
        ),
    ],
)
def test_contradictions_are_refused_with_both_names(
    one: Change, other: Change, said: str
) -> None:
    good = a_fix("good", KernelArguments(set_=("good=1",)))
    for first, second in ((one, other), (other, one)):
        made = plan(a_fix("a", first), a_fix("b", second), good)
        assert [fix.id for fix in made.fixes] == ["good"]
        [refused] = made.refused
        assert refused.fixes == ("a", "b")
        assert "a and b contradict" in str(refused.why)
        assert said.split(":")[0].split(" and ")[0] in str(refused.why)


@for_each(
    ("change", "why"),
    [
        (WriteFile("/usr/lib/x", "x"), "path-outside"),
        (WriteFile("/etc/../usr/x", "x"), "path-not-plain"),
        (WriteFile("etc/x", "x"), "path-not-plain"),
        (WriteFile("/dev/x", "x"), "path-in-dev"),
        (WriteFile("/etc/link", "x"), "path-is-link-to"),
        (WriteFile("/etc/secret", "x"), "file-unread"),
        (EditLine(CONF, "no such line", "x"), "edit-line-gone"),
        (EditLine(CONF, "", "two\nlines"), "edit-of-two-lines"),
        (KernelArguments(set_=("a b",)), "argument-not-a-word"),
        (KernelArguments(set_=("--",)), "argument-not-a-word"),
        (KernelArguments(remove=("a\x1b",)), "argument-not-a-word"),
        (KernelArguments(add_items=(("a", "b c"),)), "argument-not-a-word"),
        (LoadModule("kvmfr; id"), "name-not-for-commands"),
        (LoadModule("-r"), "name-not-for-commands"),
        (UdevTrigger("a b"), "name-not-for-commands"),
        (RestartService("--now"), "name-not-for-commands"),
        (EnableUnit("a;b"), "name-not-for-commands"),
        (RuntimeParameter("/etc/passwd", "x"), "parameter-path-wrong"),
        (RuntimeParameter("/proc/sys/../x", "x"), "parameter-path-wrong"),
        (RuntimeParameter(PARAMETER, "a\nb"), "parameter-value-wrong"),
        (FileContext("x", "t", "/x"), "path-not-absolute"),
        (DeleteFile("/dev/null", WHY), "path-no-leftover"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_and_the_rest_is_made(
    change: Change, why: str
) -> None:
    null = hosts.char_node(0o666, "root", 0, "root", 0, (1, 3))
    host = hosts.build(
        {**FILES, "/etc/secret": hosts.denied("/etc/secret")},
        {"/etc/link": hosts.link("/victim"), "/dev/null": null},
    )
    good = a_fix("good", KernelArguments(set_=("good=1",)))
    made = plan(a_fix("a", change), good, host=host)
    assert [fix.id for fix in made.fixes] == ["good"]
    assert [r.fixes for r in made.refused] == [("a",)]
    assert made.refused[0].why.id == why


def test_risky_and_manual_fixes_wait_to_be_asked_for() -> None:
    wish = KernelArguments(set_=("a=1",))
    fixes = (a_fix("r", wish, how=RISKY), a_fix("m", wish, how=MANUAL))
    assert [fix.id for fix in plan(*fixes).left] == ["m", "r"]
    assert not plan(*fixes).steps
    made = plan(*fixes, risky=True)
    assert [fix.id for fix in made.fixes] == ["r"]
    assert [fix.id for fix in made.left] == ["m"]


def test_what_is_so_already_is_not_done_again() -> None:
    host = hosts.build({**FILES, PARAMETER: "N\n"}, folders=["/sys/module/kvmfr"])
    made = plan(
        a_fix("a", KernelArguments(set_=("iommu=off",))),
        a_fix("b", WriteFile(CONF, FILES[CONF]), LoadModule("kvmfr")),
        a_fix("c", RuntimeParameter(PARAMETER, "0")),
        a_fix("d", DeleteFile("/etc/none", WHY), DeleteFile("/dev/none", WHY)),
        host=host,
    )
    assert not made.steps
    assert set(reasons(made)) == {
        "what it asks for is set already; it takes effect at the next boot"
    }


@for_each(
    ("boot", "why", "unseen"),
    [
        ("no boot tool here", "no boot tool here", False),
        (Boot(hosts.denied("/boot")), "denied", True),
        (Boot(refuses="a=1"), "a=1 by hand", False),
    ],
)
def test_a_boot_tool_that_cannot_takes_only_its_wishes_out(
    boot: Boot | str, why: str, unseen: bool
) -> None:
    made = plan(
        a_fix("a", KernelArguments(set_=("a=1",))),
        a_fix("b", EditLine(CONF, "", "# b")),
        boot=boot,
    )
    assert [fix.id for fix in made.fixes] == ["b"]
    assert why in reasons(made)[0]
    assert made.refused[0].unseen is unseen


def test_one_wish_the_boot_tool_refuses_does_not_stop_the_others() -> None:
    made = plan(
        a_fix("a", KernelArguments(set_=("a=1",))),
        a_fix("b", KernelArguments(set_=("b=1",))),
        boot=Boot(refuses="a=1"),
    )
    assert [fix.id for fix in made.fixes] == ["b"]


def test_a_fix_that_cannot_or_breaks_is_told() -> None:
    class Broken(Fix):
        id = "broken"
        solves = ("check-broken",)
        summary = "break"

    made = plan(a_fix("a", cannot="no device"), Broken)
    assert sorted(reasons(made))[0] == "no device"
    assert "the fix itself failed: NotImplementedError" in sorted(reasons(made))[1]


def test_a_module_in_use_is_guarded() -> None:
    host = hosts.build(FILES, folders=["/sys/module/kvmfr"])
    made = plan(a_fix("a", LoadModule("kvmfr", reload=True)), host=host)
    assert [planned.guards for planned in made.steps] == [(NoVm(), Unused("kvmfr"))] * 2


def test_the_basis_names_all_that_the_plan_was_made_from() -> None:
    made = plan(
        a_fix(
            "a",
            EditLine(CONF, "", "# a"),
            WriteFile("/etc/new", "x"),
            RuntimeParameter(PARAMETER, "N"),
            KernelArguments(set_=("a=1",)),
        )
    )
    named = {(basis.kind, basis.name) for basis in made.basis}
    assert named == {
        ("file", CONF),
        ("file", "/etc/new"),
        ("parameter", PARAMETER),
        ("arguments", "test-boot"),
    }
    assert dict((b.name, b.sha256) for b in made.basis)["/etc/new"] == "absent"


def test_line_ends_stay() -> None:
    made = plan(
        a_fix("a", EditLine("/etc/odd\r", "a", "A"), EditLine("/etc/odd\r", "", "c"))
    )
    [step] = steps(made)
    assert isinstance(step, FileStep)
    assert step.after == b"A\r\nb\nc\n"
