"""The report as JSON: the stable interface (docs/json.md).

The json module costs half as much to import as Python to start, most of it for
reading JSON; writing plain values takes the few lines at the end of this file.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from vfio_doctor.language import in_english
from vfio_doctor.messages import Message, shown
from vfio_doctor.places import as_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vfio_doctor.messages import Value
    from vfio_doctor.model import (
        BootInfo,
        CheckResult,
        Diagnosis,
        Evidence,
        FixOffer,
        HostInfo,
        Report,
        ToolInfo,
    )
    from vfio_doctor.places import Place

SCHEMA = "vfio-doctor/report/1"
SCHEMA_FILE = "report-1.schema.json"


def render(report: Report) -> str:
    """Return the report as one JSON document with a line end.

    Only printable ASCII is written; every field is always present.
    """
    return text(document(report))


def text(value: object) -> str:
    """Return any plain value as JSON in printable ASCII, with a line end.

    Raises TypeError for what JSON does not know.
    """
    out: list[str] = []
    _write(value, "\n", out)
    return "".join(out) + "\n"


@in_english
def document(report: Report) -> dict[str, object]:
    """Return the report as plain lists and dictionaries, in the order of the schema."""
    return {
        "schema": SCHEMA,
        "tool": plain(_named(report.tool)),
        "run": plain(report.run),
        "host": _part(report.host),
        "boot": _part(report.boot),
        "summary": {
            "statuses": dict(report.summary.statuses),
            "severities": dict(report.summary.severities),
            "root_causes": list(report.summary.root_causes),
        },
        "checks": [_check(result) for result in report.checks],
        "plan": plain(report.plan),
        "results": plain(report.results),
    }


def _named(tool: ToolInfo) -> ToolInfo:
    """Return the program with what is said of plug-ins as text."""
    return tool._replace(problems=tuple(map(str, tool.problems)))


def _part(part: HostInfo | BootInfo) -> dict[str, object]:
    """Return a part of the head; ``messages`` holds what is no plain data."""
    held = part._asdict()
    said_so = {n: message(v) for n, v in held.items() if isinstance(v, Message)}
    return {**{n: plain(v) for n, v in held.items()}, "messages": said_so}


def _check(result: CheckResult) -> dict[str, object]:
    return {
        "id": result.id,
        "title": result.title,
        "status": result.status.value,
        "severity": result.severity.word,
        "reason": said(result.reason),
        "blocked_by": list(result.blocked_by),
        "findings": [_finding(diagnosis) for diagnosis in result.diagnoses],
        "messages": {"reason": message(result.reason)},
    }


def _finding(diagnosis: Diagnosis) -> dict[str, object]:
    finding = diagnosis.finding
    return {
        "subject": finding.subject,
        "location": location(finding.place),
        "message": str(finding.message),
        "template": finding.message.template,
        "params": {name: shown(value) for name, value in finding.message.params},
        "severity": diagnosis.severity.word,
        "evidence": [_evidence(row) for row in finding.evidence],
        "fix": _fix(diagnosis.fix),
        "advice": said(finding.advice),
        "who_acts": finding.who_acts.value,
        "messages": {
            "message": message(finding.message),
            "advice": message(finding.advice),
        },
    }


def _evidence(row: Evidence) -> dict[str, object]:
    """Return an observation; what is data has no message."""
    parts = row._asdict()
    return {
        **{name: str(part) for name, part in parts.items()},
        "messages": {
            name: message(part) if isinstance(part, Message) else None
            for name, part in parts.items()
        },
    }


def _fix(offer: FixOffer | None) -> dict[str, object] | None:
    if offer is None:
        return None
    return {
        "id": offer.id,
        "applicability": offer.applicability.value,
        "summary": str(offer.summary),
        "reboot": offer.reboot,
        "cannot": said(offer.cannot),
        "may_be_lost": said(offer.may_be_lost),
        "messages": {
            "summary": message(offer.summary),
            "cannot": message(offer.cannot),
            "may_be_lost": message(offer.may_be_lost),
        },
    }


def said(value: Message | None) -> str:
    """Return a message in English, "" where there is none."""
    return "" if value is None else str(value)


def message(value: Message | None) -> dict[str, object] | None:
    """Return a message as a translator needs it: id, template and typed values."""
    if value is None:
        return None
    params = {name: _value(held) for name, held in value.params}
    return {"id": value.id, "template": value.template, "params": params}


def _value(value: Value) -> object:
    if isinstance(value, Message):
        return message(value)
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return value


def location(place: Place) -> dict[str, object]:
    """Return a place: its kind, and the fields that this kind has."""
    return as_fields(place)


def plain(value: object) -> object:
    """Return named tuples as dictionaries, enums as their value, bytes as text.

    Messages become their English.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Message):
        return str(value)
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        if fields is None:
            return [plain(item) for item in value]
        return {name: plain(item) for name, item in zip(fields, value, strict=True)}
    return value


def _write(value: object, line: str, out: list[str]) -> None:
    """Add JSON; ``line`` is a line end with the indentation reached so far."""
    if isinstance(value, str):
        out.append(quoted(value))
    elif value is None or isinstance(value, bool):
        out.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, dict):
        _write_all("{}", value.items(), line, out)
    elif isinstance(value, list):
        _write_all("[]", ((None, item) for item in value), line, out)
    else:
        raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _write_all(
    brackets: str, items: Iterable[tuple[str | None, object]], line: str, out: list[str]
) -> None:
    inner = f"{line} "
    before = f"{brackets[0]}{inner}"
    for name, item in items:
        out.append(before if name is None else f"{before}{quoted(name)}: ")
        _write(item, inner, out)
        before = f",{inner}"
    out.append(f"{line}{brackets[1]}" if before[0] == "," else brackets)


def quoted(value: str) -> str:
    r"""Return a JSON string; all but printable ASCII is ``\uXXXX`` (RFC 8259, 7)."""
    plain = value.isascii() and value.isprintable()
    if plain and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return f'"{"".join(map(_character, value))}"'


def _character(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs)
