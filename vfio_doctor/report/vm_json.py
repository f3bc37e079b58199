"""What lints found in definitions, for programs: JSON, SARIF, GitHub's annotations."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from vfio_doctor import __version__
from vfio_doctor.language import in_english
from vfio_doctor.lints import every
from vfio_doctor.model import Severity
from vfio_doctor.report.untrusted import clean
from vfio_doctor.report.vm_page import paragraphs
from vfio_doctor.report.vm_text import refusal, where

if TYPE_CHECKING:
    from vfio_doctor.lints.judge import Fault, Judged
    from vfio_doctor.lints.lint import Lint

SCHEMA = "vfio-doctor/vm/1"
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}
ANNOTATIONS = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "notice",
}
# What a path may have unquoted in a URI (RFC 3986).
_PLAIN = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
)


@in_english
def as_json(judged: tuple[Judged, ...]) -> str:
    """Return the stable form, see docs/vm.md."""
    return _written(
        {
            "schema": SCHEMA,
            "tool": {"name": "vfio-doctor", "version": __version__},
            "domains": [_domain(one) for one in judged],
        }
    )


def _domain(one: Judged) -> dict[str, Any]:
    return {
        "name": one.name,
        "path": one.path,
        "form": one.form.value,
        "refused": refusal(one) if one.refused else "",
        "faults": [_fault(fault) for fault in one.faults],
        "unknown": [
            {"lint": u.lint.id, "reason": str(u.why.message)} for u in one.untold
        ],
        "unsaid": [
            {"line": u.place.line, "column": u.place.column, "text": u.words}
            for u in one.unsaid
        ],
        "left_out": [lint.id for lint in one.left_out],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "lint": fault.lint.id,
        "number": fault.lint.number,
        "severity": fault.severity.word,
        "line": fault.place.line,
        "column": fault.place.column,
        "length": fault.length,
        "message": str(fault.message),
        "advice": str(fault.advice),
        "curable": bool(fault.cure),
    }


@in_english
def as_sarif(judged: tuple[Judged, ...]) -> str:
    """Return a log of SARIF 2.1.0, which editors and code scanning show."""
    lints = every()
    numbers = {lint.id: at for at, lint in enumerate(lints)}
    refused = [one for one in judged if one.refused]
    run = {
        "tool": {"driver": _driver(lints)},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not refused,
                "toolExecutionNotifications": [_notice(one) for one in refused],
            }
        ],
        "results": [
            _result(one, fault, numbers) for one in judged for fault in one.faults
        ],
    }
    return _written({"$schema": SARIF, "version": "2.1.0", "runs": [run]})


def _driver(lints: tuple[type[Lint], ...]) -> dict[str, Any]:
    return {
        "name": "vfio-doctor",
        "semanticVersion": f"{__version__}",
        "rules": [_rule(lint) for lint in lints],
    }


def _rule(lint: type[Lint]) -> dict[str, Any]:
    return {
        "id": lint.id,
        "name": lint.__name__,
        "shortDescription": {"text": f"{lint.title}."},
        "fullDescription": {"text": paragraphs(lint)[0]},
        "help": {"text": "\n\n".join(paragraphs(lint))},
        "defaultConfiguration": {"level": LEVELS[lint.severity]},
    }


def _result(one: Judged, fault: Fault, numbers: dict[str, int]) -> dict[str, Any]:
    return {
        "ruleId": fault.lint.id,
        "ruleIndex": numbers[fault.lint.id],
        "level": LEVELS[fault.severity],
        "message": {"text": f"{fault.message} {fault.advice}"},
        "locations": [_location(one, fault)],
    }


def _location(one: Judged, fault: Fault) -> dict[str, Any]:
    region = {
        "startLine": fault.place.line,
        "startColumn": fault.place.column,
        "endColumn": fault.place.column + fault.length,
    }
    artifact = {"uri": uri(where(one))}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _notice(one: Judged) -> dict[str, Any]:
    return {"level": "error", "message": {"text": refusal(one)}}


def uri(path: str) -> str:
    """Return a path as a URI reference: absolute ones with their scheme."""
    quoted = "".join(
        chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in _on_disk(path)
    )
    return f"file://{quoted}" if quoted.startswith("/") else quoted


def _on_disk(path: str) -> bytes:
    """Return a name's bytes; a capture may name what no host has."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "replace")


def as_github(judged: tuple[Judged, ...]) -> str:
    """Return workflow commands, which GitHub shows beside the changed lines."""
    lines = []
    for one in judged:
        if one.refused:
            lines.append(f"::error file={_property(where(one))}::{_data(refusal(one))}")
        for fault in one.faults:
            word = ANNOTATIONS[fault.severity]
            place = fault.place
            end = place.column + fault.length - 1
            lines.append(
                f"::{word} file={_property(where(one))},line={place.line},"
                f"col={place.column},endColumn={end},title={fault.lint.id}"
                f"::{_data(f'{fault.message} {fault.advice}')}"
            )
    return "".join(f"{line}\n" for line in lines)


def _data(text: str) -> str:
    """Escape a message as actions/toolkit does; its line ends are seen as such."""
    return clean(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _written(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"
