"""The report in Prometheus's text format, for node_exporter's textfile collector.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.model import Status
from vfio_doctor.report.untrusted import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.model import Report

# Names, units and help texts of metrics are an interface: English, like JSON.
INFO = "vfio_doctor_info", "Which program looked, and at what system."
CHECK = "vfio_doctor_check_status", "How a check ended: 1 for its status."
FOUND = "vfio_doctor_findings", "Findings by severity."
CAUSE = "vfio_doctor_root_cause", "1 for each check to look at first."
WHEN = "vfio_doctor_last_run_timestamp_seconds", "When the host was looked at."

Sample = tuple[dict[str, str], int]


def render(report: Report) -> str:
    """Return the metrics; a check that ended otherwise than before keeps its name."""
    host = {"version": report.tool.version, "system": clean(report.host.os)}
    host["kernel"] = clean(report.host.kernel)
    ends = (
        ({"check": result.id, "status": status.value}, int(result.status is status))
        for result in report.checks
        for status in Status
    )
    found = (({"severity": word}, count) for word, count in report.summary.severities)
    causes = (({"check": name}, 1) for name in report.summary.root_causes)
    parts = [
        *_metric(INFO, [(host, 1)]),
        *_metric(FOUND, found),
        *_metric(CAUSE, causes),
        *_metric(CHECK, ends),
        *_metric(WHEN, _when(report)),
    ]
    return "\n".join(parts) + "\n"


def _when(report: Report) -> Iterator[Sample]:
    """Yield the start of the run in seconds since 1970; a capture has none."""
    from calendar import timegm
    from time import strptime

    if report.run.started:
        yield {}, timegm(strptime(report.run.started, "%Y-%m-%dT%H:%M:%SZ"))


def _metric(metric: tuple[str, str], samples: Iterable[Sample]) -> Iterator[str]:
    name, told = metric
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        named = ",".join(f'{key}="{_label(text)}"' for key, text in labels.items())
        yield f"{name}{{{named}}} {value}" if named else f"{name} {value}"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
