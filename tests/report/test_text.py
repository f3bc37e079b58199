from __future__ import annotations

import re

import pytest

from support.effort import on_hosts
from support.reports import NAMES, of_fixture, of_results
from support.rows import for_each
from vfio_doctor.checks.boot.pending import REGENERATE_BY, RUN
from vfio_doctor.diagnosis.report import UNKNOWN, exit_status
from vfio_doctor.messages import say, verbatim
from vfio_doctor.model import (
    Actor,
    Applicability,
    CheckResult,
    Diagnosis,
    Evidence,
    Finding,
    FixOffer,
    Severity,
    Status,
    ToolInfo,
    Waiting,
)
from vfio_doctor.places import HostPlace, NodePlace
from vfio_doctor.repair.values import Plan
from vfio_doctor.report import json, markdown, text
from vfio_doctor.report.order import failed
from vfio_doctor.report.plan import plan_lines
from vfio_doctor.report.steps import next_steps
from vfio_doctor.report.style import Look

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741
SAFE, RISKY, MANUAL = Applicability


def end(check_id: str, status: Status, reason: str = "", by: str = "") -> CheckResult:
    blockers = (by,) if by else ()
    why = verbatim(reason) if reason else None
    return CheckResult(check_id, check_id.upper(), E, status, why, blockers)


def fail(
    check_id: str,
    severity: Severity = E,
    fix: FixOffer | None = None,
    advice: str = "",
    who: Actor = Actor.USER,
) -> CheckResult:
    said = say("it-is", "It is {what}.", what="off")
    by_hand = verbatim(advice) if advice else None
    finding = Finding(HostPlace(), said, advice=by_hand, who_acts=who)
    return CheckResult(
        check_id,
        check_id.upper(),
        severity,
        Status.FAIL,
        diagnoses=(Diagnosis(finding, severity, fix),),
    )


def offer(kind: Applicability = SAFE, reboot: bool = False, no: str = "") -> FixOffer:
    cannot = verbatim(no) if no else None
    return FixOffer("cure-it", kind, verbatim("Cure it"), reboot, cannot)


@for_each(
    ("results", "fail_on", "status"),
    [
        ((end("a", Status.PASS),), W, 0),
        ((end("a", Status.NOT_APPLICABLE, "why"),), W, 0),
        ((), W, 0),
        ((fail("a"),), E, 1),
        ((fail("a", W),), W, 1),
        ((fail("a", W),), E, 0),
        ((fail("a", I),), W, 0),
        ((fail("a", I),), I, 1),
        ((end("a", Status.UNKNOWN, "why"),), W, 3),
        ((end("a", Status.ERROR, "why"),), W, 3),
        ((fail("a"), end("b", Status.UNKNOWN, "why")), W, 1),
        ((fail("a", I), end("b", Status.BLOCKED, by="a")), W, 3),
        ((fail("a", I)._replace(reason=verbatim("half of it denied")),), W, 3),
    ],
)
def test_exit_status(
    results: tuple[CheckResult, ...], fail_on: Severity, status: int
) -> None:
    assert exit_status(of_results(*results), fail_on) == status


def test_a_broken_plug_in_is_no_clean_bill() -> None:
    report = of_results(end("a", Status.PASS))
    broken = report._replace(tool=ToolInfo("vfio-doctor", "0", ("plug-in x: no",)))
    assert exit_status(broken, W) == 3
    assert "plug-in x: no" in text.render(broken, Look())


def test_root_causes_lead_and_fold_what_they_block() -> None:
    report = of_results(
        end("a-blocked", Status.BLOCKED, by="i-info"),
        fail("b-warning", W),
        fail("i-info", I),
        fail("j-info", I),
        fail("z-error", E),
    )
    assert report.summary.root_causes == ("z-error", "b-warning", "i-info")
    shown = text.render(report, Look())
    order = [shown.index(f"[{name}]") for name in ("z-error", "b-warning", "i-info")]
    assert order == sorted(order)
    assert "Also affects: a-blocked" in shown
    assert "[a-blocked]" not in shown


@for_each(
    ("fix", "advice", "shown", "hidden"),
    [
        (offer(), "by hand", "`sudo vfio-doctor --fix`: Cure it.", "by hand"),
        (offer(reboot=True), "", "It takes effect at the next reboot.", "by hand"),
        (offer(RISKY), "", "`sudo vfio-doctor --fix --risky`: Cure it.", "by hand"),
        (offer(MANUAL), "do so", "By hand: Cure it.", "--fix"),
        (offer(no="no tool"), "do so", "No automatic repair here: no tool", "--fix"),
        (None, "do so", "-> do so", "--fix"),
    ],
)
def test_what_to_do(fix: FixOffer | None, advice: str, shown: str, hidden: str) -> None:
    page = text.render(of_results(fail("a", fix=fix, advice=advice)), Look())
    assert shown in page
    assert hidden not in page


def test_steps_come_in_order_and_once() -> None:
    report = of_results(
        fail("a", fix=offer(reboot=True)),
        fail("b", fix=offer()),
        fail("c", fix=offer(RISKY)),
        fail("d", advice="turn it on", who=Actor.FIRMWARE),
        fail("e", advice="log in again"),
        fail("f", advice="log in again"),
        fail("g", advice="tell them", who=Actor.VENDOR),
        fail("h", I, advice="nice to have"),
        end("u", Status.UNKNOWN, "denied"),
        uid=1000,
    )
    steps = next_steps(report)
    words = ["setup, follow the advice under d", "repairs 2 problems", "--risky"]
    words += ["advice under e and f", "as advised under g", "Reboot", "again"]
    words += ["sudo vfio-doctor", "explain a"]
    assert len(steps) == len(words)
    assert all(word in str(step) for word, step in zip(words, steps, strict=True))


@for_each(
    ("fixes", "words"),
    [
        ((offer(RISKY),), "repairs 1 problem."),
        ((offer(RISKY), offer(RISKY)), "repairs 2 problems."),
        ((offer(), offer(RISKY)), "repairs 1 more problem."),
        ((offer(), offer(RISKY), offer(RISKY)), "repairs 2 more problems."),
    ],
)
def test_more_is_said_of_what_comes_on_top(
    fixes: tuple[FixOffer, ...], words: str
) -> None:
    found = [fail(f"a-{n}", fix=fix) for n, fix in enumerate(fixes)]
    (step,) = (s for s in next_steps(of_results(*found)) if "--risky" in str(s))
    assert str(step).endswith(words)


@for_each(
    ("kinds", "waiting", "said"),
    [
        ((SAFE,), Waiting(2, 0), "--fix` repairs 3 problems, 2 of which come"),
        ((SAFE, RISKY), Waiting(0, 1), "--risky` repairs 2 more problems, 1 of which"),
        ((RISKY,), Waiting(0, 1), "--risky` repairs 2 problems, 1 of which come"),
        ((SAFE,), Waiting(0, 1), "--fix` repairs 1 problem."),
    ],
)
def test_what_waits_is_counted_with_what_is_found(
    kinds: tuple[Applicability, ...], waiting: Waiting, said: str
) -> None:
    found = [fail(f"a-{n}", fix=offer(kind)) for n, kind in enumerate(kinds)]
    report = of_results(*found)._replace(waiting=waiting)
    assert any(said in str(step) for step in next_steps(report))


def test_one_step_is_said_once() -> None:
    """On a capture that was not made as root; who holds it is who was asked."""
    report = of_results(end("u", Status.UNKNOWN, "denied"), uid=1000)
    live = text.render(report, Look())
    assert live.count("`sudo vfio-doctor`") == 1
    assert "What to do next" not in live
    assert "To ask for help" in live
    there = report._replace(run=report.run._replace(source="bug.tar.gz"))
    captured = text.render(there, Look())
    assert captured.count("sudo vfio-doctor bug-report") == 1
    assert "To ask for help" not in captured


def test_a_reboot_alone_is_a_step() -> None:
    steps = next_steps(of_results(fail("reboot-pending", I)))
    assert [str(step) for step in steps] == [
        "Reboot, so that the changes take effect.",
        "Run `vfio-doctor` again.",
    ]


def test_a_menu_that_was_not_made_comes_before_the_reboot() -> None:
    waits = fail("reboot-pending", W)
    (held,) = waits.diagnoses
    advice = REGENERATE_BY.filled(command=RUN.filled(tool="update-grub"))
    held = held._replace(finding=held.finding._replace(advice=advice))
    report = of_results(waits._replace(diagnoses=(held,)))
    first, second, *_ = next_steps(report)
    assert str(first).startswith("Run `sudo update-grub`")
    assert str(second).startswith("Reboot")
    assert "Next: Run `sudo update-grub`" in text.render(report, Look(width=100))


@for_each(
    ("results", "verdict"),
    [
        ((end("a", Status.PASS),), "Found nothing wrong. Of 1 check: 1 passed."),
        (
            (end("a", Status.UNKNOWN, "?"), end("b", Status.NOT_APPLICABLE, "?")),
            "Found nothing wrong in what could be seen. Not looked at: libvirt's"
            " settings, SELinux, AppArmor, graphics drivers. "
            "Of 2 checks: 1 does not apply and 1 could not be decided.",
        ),
        (
            (end("iommu-off", Status.PASS), end("kvm-unusable", Status.PASS)),
            "Found nothing wrong with KVM and the IOMMU. Not looked at: libvirt's"
            " settings, SELinux, AppArmor, graphics drivers. Of 2 checks: 2 passed.",
        ),
        ((fail("a"), fail("b")), "Found: 2 errors."),
        (
            (fail("a", W), fail("b", I), end("c", Status.ERROR, "?")),
            "Found: 1 warning and 1 note. Of 3 checks: 1 failed itself.",
        ),
    ],
)
def test_verdict(results: tuple[CheckResult, ...], verdict: str) -> None:
    assert str(text.verdict(of_results(*results))) == verdict


def test_what_waits_for_a_check_that_was_not_selected_is_named() -> None:
    waiting = end("a", Status.BLOCKED)._replace(blocked_by=("b",))
    said = str(text.verdict(of_results(waiting)))
    assert said.startswith("Not all could be judged. a is blocked by b (select it")
    assert said.endswith("Of 1 check: 1 waits for another.")


def test_limits_of_the_report_are_said() -> None:
    untold = end("a", Status.UNKNOWN, "denied")
    page = text.render(of_results(untold, uid=1, container="podman"), Look(100))
    assert "inside a container (podman)" in page
    assert "not run as root; 1 check could not be decided" in page
    assert "Could not tell\n  a: denied\n" in page
    denied = UNKNOWN.filled(why=say("shut", "denied"))
    seen = text.render(of_results(uid=1, container=denied), Look(100))
    assert "everything asked could be seen" in seen
    assert "container" not in seen


def test_broken_rules_are_named() -> None:
    page = text.render(of_results(end("a", Status.ERROR, "KeyError: 1")), Look())
    assert "Broken rules (please report these)\n  a: KeyError: 1\n" in page


def test_half_seen_is_said() -> None:
    half = fail("a")._replace(reason=verbatim("/x: denied"))
    assert "Not everything could be seen: /x: denied" in text.render(
        of_results(half), Look()
    )
    assert "Not everything could be seen" in markdown.render(of_results(half))


def test_one_check_alone() -> None:
    for result, shown in (
        (end("a", Status.PASS), "pass"),
        (end("a", Status.UNKNOWN, "denied"), "unknown: denied"),
        (end("a", Status.BLOCKED, by="b"), "blocked: b"),
        (fail("a"), "ERROR A [a]"),
    ):
        assert shown in text.render_one(of_results(result), Look())


HOSTILE = "\x1b]0;x\x07\u202e\n# h @me </details> | ` \ud800"


def hostile() -> CheckResult:
    finding = Finding(
        NodePlace(HOSTILE),
        verbatim(HOSTILE),
        (Evidence(HOSTILE, HOSTILE, HOSTILE),),
        advice=verbatim(HOSTILE),
    )
    held = (Diagnosis(finding, E),)
    return CheckResult("a", "A", E, Status.FAIL, verbatim(HOSTILE), (), held)


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_host_text_controls_no_terminal(colour: bool, verbosity: int) -> None:
    page = text.render(of_results(hostile()), Look(colour=colour, verbosity=verbosity))
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[31m"):
        page = page.replace(code, "")
    assert page.replace("\n", "").isprintable()
    assert not [line for line in page.splitlines() if line.startswith("#")]


def test_host_text_does_not_leave_its_place_in_markdown() -> None:
    page = markdown.render(of_results(hostile()))
    assert page.replace("\n", "").isprintable()
    assert page.count("<details>") == page.count("\n</details>")
    outside = re.sub(r"(`+).+?\1(?!`)", "", page.replace("\\`", ""))
    assert "@me" not in outside
    assert "# h" not in outside


def test_json_is_printable_ascii_and_keeps_all() -> None:
    import json as standard

    made = json.render(of_results(hostile()))
    assert made.isascii()
    assert made.replace("\n", "").isprintable()
    finding = standard.loads(made)["checks"][0]["findings"][0]
    assert finding["advice"] == HOSTILE
    assert finding["params"] == {"text": HOSTILE}


def test_json_knows_plain_values_only() -> None:
    with pytest.raises(TypeError, match="float"):
        json.text({"a": 1.5})
    assert json.plain((b"x", Status.PASS, Evidence("s", "o"))) == [
        "x",
        "pass",
        {"source": "s", "observed": "o", "expected": ""},
    ]


def test_what_is_staged_needs_a_reboot_and_nothing_else() -> None:
    report = of_fixture("bluefin-dx-reboot-pending")
    steps = [str(step) for step in next_steps(report)]
    assert steps[0] == "Reboot, so that the changes take effect."
    assert not any("--fix" in step or "By hand" in step for step in steps)
    page = text.render(report, Look(width=100))
    assert "Add the kernel argument intel_iommu=on" not in page
    assert "-> Reboot: intel_iommu=on is set and takes effect" in page
    plan = "\n".join(plan_lines(Plan(()), report))
    assert plan.startswith("Nothing is left to do but reboot.")
    assert "Add the kernel argument" not in plan


@pytest.mark.parametrize("name", on_hosts(NAMES))
def test_what_is_worst_stays_on_a_terminal_of_24_lines(name: str) -> None:
    report = of_fixture(name)
    last = text.render(report, Look()).splitlines()[-23:]
    told = "\n".join(last)
    assert any(line.startswith("Found") or "Not all could" in line for line in last)
    bad = [r for r in failed(report) if r.severity is not I]
    if bad and report.summary.root_causes:
        assert bad[0].title.split()[0] in told
    assert "`vfio-doctor bug-report`" in told
