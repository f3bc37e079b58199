"""What a host says is printed as it is, even if it looks like a field of ours."""

from __future__ import annotations

import json as reader
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fixture_hosts import catalogue
from support.reports import RUN, of_results
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.messages import in_order, say
from vfio_doctor.model import (
    Applicability,
    CheckResult,
    CommandStep,
    Diagnosis,
    Evidence,
    FileStep,
    Finding,
    FixOffer,
    Message,
    ParameterStep,
    Report,
    Severity,
    Status,
    Step,
)
from vfio_doctor.places import FilePlace
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
from vfio_doctor.report import json, markdown, text
from vfio_doctor.report.plan import outcome_lines, plan_lines
from vfio_doctor.report.style import Look

WIDE = Look(verbosity=1)._replace(width=1 << 16)
# The names are fields of the messages around them, on purpose.
FIELDS = (
    "{path}",
    "{user}",
    "{reason}",
    "{0}",
    "{",
    "}",
    "{{path}}",
    "{}",
    "%s",
    "{a!r}",
)
HOST_TEXT = st.lists(
    st.sampled_from((*FIELDS, "a", "/", ".", "é")), min_size=1, max_size=6
).map("".join)


def deep(value: str) -> Message:
    """A message that holds the value in each way that there is."""
    inner = say("t-inner", "{path}, said {reason}", path=value, reason=value)
    return say(
        "t-outer",
        "{path} of {user}: {reason} ({list})",
        path=value,
        user=value,
        reason=inner,
        list=(value, inner),
    )


def as_is(value: str) -> str:
    """What `deep` says, put together without any template."""
    return (
        f"{value} of {value}: {value}, said {value} ({value} and {value}, said {value})"
    )


@given(HOST_TEXT)
def test_a_message_is_filled_once(value: str) -> None:
    assert str(deep(value)) == as_is(value)
    two = in_order(deep(value), say("t-end", "The end of {path}.", path=value))
    assert str(two) == f"{as_is(value)} The end of {value}."


def report_of(value: str) -> Report:
    offer = FixOffer("f", Applicability.SAFE, deep(value), True, deep(value))
    made = FixOffer("g", Applicability.RISKY, deep(value), False, None, deep(value))
    rows = (Evidence(value, value, value), Evidence(deep(value), deep(value)))
    place = FilePlace(value, 3)
    findings = tuple(
        Finding(place, deep(value), rows, advice=deep(value)) for _ in range(2)
    )
    pairs = zip(findings, (offer, made), strict=True)
    diagnoses = tuple(Diagnosis(f, Severity.ERROR, fix) for f, fix in pairs)
    failed = CheckResult("a", "A", Severity.ERROR, Status.FAIL, deep(value))
    report = of_results(
        failed._replace(diagnoses=diagnoses),
        CheckResult("b", "B", Severity.ERROR, Status.UNKNOWN, deep(value)),
        CheckResult("c", "C", Severity.ERROR, Status.NOT_APPLICABLE, deep(value)),
        container=value,
    )
    host = report.host._replace(os=value, user=value, machine=value)
    return report._replace(host=host, boot=report.boot._replace(now=value, next=value))


@given(HOST_TEXT)
def test_a_report_prints_it_as_it_is(value: str) -> None:
    report = report_of(value)
    printed = text.render(report, WIDE)
    whole = as_is(value)
    # Two findings: message, cannot or repair and loss, advice; three reasons.
    assert printed.count(whole) >= 10
    assert f"System: {value}\n" in printed
    assert f"Arguments now (/proc/cmdline): {value}\n" in printed
    assert f"container ({value});" in printed
    written = unescaped(markdown.render(report))
    assert written.count(whole) >= 10
    assert f"`{value}`" in written


def unescaped(markdown_: str) -> str:
    return markdown_.replace("\\", "")


@given(HOST_TEXT)
def test_json_keeps_values_apart_from_templates(value: str) -> None:
    document: dict[str, Any] = reader.loads(json.render(report_of(value)))
    finding = document["checks"][0]["findings"][0]
    message = finding["messages"]["message"]
    assert finding["location"] == {"kind": "file", "path": value, "line": 3}
    assert finding["message"] == as_is(value)
    assert message["template"] == "{path} of {user}: {reason} ({list})"
    assert message["params"]["path"] == value
    assert message["params"]["reason"]["params"] == {"path": value, "reason": value}
    assert message["params"]["list"][0] == value


ALL = Look(width=1 << 20, verbosity=1)


@given(HOST_TEXT)
def test_a_plan_and_its_outcome_print_it_as_it_is(value: str) -> None:
    path = f"/etc/{value}"
    found = (Served("check-a", FilePlace(value)),)
    steps: tuple[Step, ...] = (
        FileStep(path, None, f"{value}\n".encode()),
        CommandStep(("run", value), why=deep(value)),
        ParameterStep(path, value, value),
    )
    fix = PlannedFix("fix-a", deep(value), Applicability.SAFE, True, found, ())
    refused = Refused(("fix-b",), found, deep(value))
    planned = tuple(PlannedStep(step, ("fix-a",)) for step in steps)
    lines = plan_lines(Plan(planned, (fix,), (fix,), (refused,)), None, ALL)
    results = tuple(
        StepResult(at, step, StepState.KEPT, deep(value), (value, "other"))
        for at, step in enumerate(steps)
    )
    verdicts = (Verdict(found[0], Effect.FAILING, deep(value)),)
    lines += outcome_lines(Outcome(Ending.STUCK, "r", results, deep(value)), verdicts)
    shown = "\n".join(lines)
    assert shown.count(as_is(value)) == 3 + 1 + len(steps) + 2
    assert f"1. Write {path}" in lines
    assert f"      fix-a, for check-a ({value})" in lines
    assert f"3. Set {path} from {value} to {value}, now" in lines
    assert f"    we left: {value}" in lines


ODD = "{why}-{path}-{0}"


@pytest.mark.parametrize("name", ["bluefin-dx-2121", "debian12-grub-unprivileged"])
def test_a_whole_host_with_braces_is_told_as_it_is(name: str) -> None:
    """The words of the command line and the distribution's name, end to end."""
    capture = catalogue.capture(name)
    for path, held in list(capture.files.items()):
        if isinstance(held, bytes) and path == "/proc/cmdline":
            capture.files[path] = held.rstrip(b"\n") + f" odd={ODD}\n".encode()
        elif isinstance(held, bytes) and path.endswith("os-release"):
            capture.files[path] = f'NAME="{ODD}"\nPRETTY_NAME="{ODD}"\n'.encode()
    host, rules = CapturedHost(capture), load()
    facts = Facts(host, Options())
    report = assemble(host, facts, diagnose(facts, rules), RUN)
    printed = text.render(report, WIDE)
    assert f"odd={ODD}" in printed
    assert f"System: {ODD}" in printed
    assert f"odd={ODD}" in unescaped(markdown.render(report))
    assert f"odd={ODD}" in reader.loads(json.render(report))["boot"]["now"]
