# Copyright: vfio-doctor contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to ask vfio-doctor, and what its report says to Ansible."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

# Option of the module: option of the program, once for each value.
VALUES = {
    "user": "--user",
    "areas": "--with",
    "devices": "--device",
    "capture": "--capture",
}
# Of several values one word is made.
JOINED = {"select": "--select", "skip": "--skip"}
# What only a repair takes.
REPAIR_VALUES = {"size": "--size", "access": "--access"}
REPAIR_FLAGS = {
    "risky": "--risky",
    "iommu_pt": "--iommu-pt",
    "ignore_msrs": "--ignore-msrs",
}
SEVERITIES = ("error", "warning", "info")
# Exit statuses of the program that come with a whole report.
FINDINGS, UNDECIDED, FAILED = 1, 3, 4
WITH_REPORT = (0, FINDINGS, UNDECIDED, FAILED)


def words(params: Mapping[str, Any], check_mode: bool) -> list[str]:
    """Return the arguments of the program for these options of the module."""
    said = ["--language", "en", "--format", "json"]
    if params["fail_on"] != "never":
        said += ["--fail-on", params["fail_on"]]
    said += _valued(VALUES, params)
    for name, option in JOINED.items():
        if params[name]:
            said += [option, ",".join(params[name])]
    if params["state"] == "repaired":
        said += ["--fix", "--dry-run" if check_mode else "--yes"]
        said += _valued(REPAIR_VALUES, params)
        said += [word for name, word in REPAIR_FLAGS.items() if params[name]]
    return said


def _valued(options: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[str]:
    for name, option in options.items():
        value = params[name]
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield from (option, str(one))


def report_of(stdout: str) -> Json | None:
    """Return the report, None if this is none."""
    try:
        held = json.loads(stdout)
    except ValueError:
        return None
    is_ours = isinstance(held, dict) and held.get("schema") == "vfio-doctor/report/1"
    return held if is_ours else None


def returned(report: Json, rc: int) -> Json:
    """Return what the module says of a report, but for the diff.

    The exit status is no ``rc``: Ansible takes any but 0 for a failed task.
    """
    plan, results = report["plan"] or {}, report["results"] or []
    found = list(findings(report))
    ours = [step["what"] for step in _forward(plan)]
    return {
        "changed": _changed(ours, results),
        "status": rc,
        "findings": found,
        "undecided": [
            {"check": check["id"], "reason": check["reason"]}
            for check in report["checks"]
            if check["status"] in ("unknown", "error")
        ],
        "root_causes": report["summary"]["root_causes"],
        "plan": ours,
        "refused": [refused["why"] for refused in plan.get("refused", [])],
        "way_back": plan.get("way_back", []),
        "runs": [result["run"] for result in results if result["run"]],
        "effects": [effect for result in results for effect in result["findings"]],
        "reboot_required": bool(
            (ours and plan["reboot"])
            or any(one["check"] == "reboot-pending" for one in found)
        ),
        "ansible_facts": {"vfio_doctor": facts(report)},
    }


def facts(report: Json) -> Json:
    """Return what is worth knowing of the host."""
    return {
        "version": report["tool"]["version"],
        "host": _data(report["host"]),
        "boot": _data(report["boot"]),
        "severities": report["summary"]["severities"],
        "root_causes": report["summary"]["root_causes"],
    }


def _data(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if name != "messages"}


def findings(report: Json) -> Iterator[Json]:
    """Yield each finding, flat, the worst first."""
    every = [
        _finding(check["id"], found)
        for check in report["checks"]
        for found in check["findings"]
    ]
    yield from sorted(every, key=lambda one: SEVERITIES.index(one["severity"]))


def _finding(check: str, found: Json) -> Json:
    fix = found["fix"] or {}
    return {
        "check": check,
        "severity": found["severity"],
        "subject": found["subject"],
        "location": found["location"],
        "message": found["message"],
        "advice": found["advice"],
        "fix": fix.get("id", ""),
        "applicability": fix.get("applicability", ""),
        "cannot": fix.get("cannot", ""),
        "line": "{severity} {check}: {message}".format(check=check, **found),
    }


def _forward(plan: Json) -> Iterator[Json]:
    """Yield the steps that a repair takes; some are there for the way back alone."""
    for step in plan.get("steps", []):
        if step["kind"] != "command" or step["argv"]:
            yield step


def _changed(ours: list[str], results: list[Json]) -> bool:
    """Whether the host was changed, or would be."""
    if not results:
        return bool(ours)
    kept = ("done", "partly rolled back", "stuck")
    return any(result["ending"] in kept for result in results)


def diff(report: Json) -> list[Json]:
    """Return what --diff shows: each file, the kernel arguments, the commands."""
    plan = report["plan"] or {}
    made: list[Json] = []
    lines = [line for step in _forward(plan) for line in step["diff"]]
    if lines:
        made.append({"prepared": "\n".join([*lines, ""])})
    if plan.get("arguments"):
        before, after = plan["arguments"]["before"], plan["arguments"]["after"]
        made.append(_pair("kernel arguments of the next boot", before, after))
    commands = [" ".join(step["argv"]) for step in _forward(plan) if step.get("argv")]
    if commands:
        made.append(_pair("commands", [], commands))
    return made


def _pair(header: str, before: list[str], after: list[str]) -> Json:
    return {
        "before_header": header,
        "after_header": header,
        "before": "".join(f"{line}\n" for line in before),
        "after": "".join(f"{line}\n" for line in after),
    }


def failure(report: Json | None, rc: int, stderr: str, fail_on: str) -> str:
    """Return why the task has failed, "" if it has not."""
    if report is None or rc not in WITH_REPORT:
        told = stderr.strip() or "it printed no report"
        return f"vfio-doctor ended with status {rc}: {told}"
    if rc == FAILED:
        return f"The repair failed: {_of_the_results(report) or stderr.strip()}"
    if rc == FINDINGS and fail_on != "never":
        worst = next(findings(report), {"line": "see stderr"})
        return f"Findings at or above {fail_on}; the first: {worst['line']}"
    return ""


def _of_the_results(report: Json) -> str:
    told = [
        f"{result['ending']}: {result['why']}".rstrip(": ")
        for result in report["results"] or []
        if result["ending"] != "done"
    ]
    told += [
        f"{effect['check']} {effect['effect']}"
        for result in report["results"] or []
        for effect in result["findings"]
        if effect["effect"] == "still failing"
    ]
    return "; ".join(told)
