"""The report as JSON: the stable interface (docs/json.md)."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfio_doctor.model import CheckResult, Diagnosis, FixOffer, Report

SCHEMA = "vfio-doctor/report/1"
SCHEMA_FILE = "report-1.schema.json"


def render(report: Report) -> str:
    """Return the report as one JSON document with a line end.

    Only printable ASCII is written; every field is always present.
    """
    return text(document(report))


def text(value: object) -> str:
    r"""Return any plain value as JSON in printable ASCII, with a line end.

    JSON lets DEL stand as it is; a terminal need not.
    """
    return json.dumps(value, indent=1).replace("\x7f", "\\u007f") + "\n"


def document(report: Report) -> dict[str, object]:
    """Return the report as plain lists and dictionaries, in the order of the schema."""
    return {
        "schema": SCHEMA,
        "tool": plain(report.tool),
        "run": plain(report.run),
        "host": plain(report.host),
        "boot": plain(report.boot),
        "summary": {
            "statuses": dict(report.summary.statuses),
            "severities": dict(report.summary.severities),
            "root_causes": list(report.summary.root_causes),
        },
        "checks": [_check(result) for result in report.checks],
        "plan": plain(report.plan),
        "results": plain(report.results),
    }


def _check(result: CheckResult) -> dict[str, object]:
    return {
        "id": result.id,
        "title": result.title,
        "status": result.status.value,
        "severity": result.severity.word,
        "reason": result.reason,
        "blocked_by": list(result.blocked_by),
        "findings": [_finding(diagnosis) for diagnosis in result.diagnoses],
    }


def _finding(diagnosis: Diagnosis) -> dict[str, object]:
    finding = diagnosis.finding
    return {
        "subject": finding.subject,
        "message": finding.message,
        "template": finding.template,
        "params": dict(finding.params),
        "severity": diagnosis.severity.word,
        "evidence": [plain(row) for row in finding.evidence],
        "fix": _fix(diagnosis.fix),
        "advice": finding.advice,
        "who_acts": finding.who_acts.value,
    }


def _fix(offer: FixOffer | None) -> dict[str, object] | None:
    if offer is None:
        return None
    return {
        "id": offer.id,
        "applicability": offer.applicability.value,
        "summary": offer.summary,
        "reboot": offer.reboot,
        "cannot": offer.cannot,
    }


def plain(value: object) -> object:
    """Return named tuples as dictionaries, enums as their value, bytes as text."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        if fields is None:
            return [plain(item) for item in value]
        return {name: plain(item) for name, item in zip(fields, value, strict=True)}
    return value
