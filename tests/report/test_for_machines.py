"""JUnit XML and Prometheus metrics, read by what reads them elsewhere."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.reports import of_fixture, of_results
from vfio_doctor.messages import verbatim
from vfio_doctor.model import (
    CheckResult,
    Diagnosis,
    Finding,
    Report,
    Severity,
    Status,
)
from vfio_doctor.places import NodePlace
from vfio_doctor.report import junit, prometheus

HOSTS = ("bluefin-dx-2121", "healthy-bazzite", "debian12-grub-unprivileged")
MEAN = '\x1b[0m"\\\n\u202e</testcase>]]> & {x="1"} 5\ud800'


def hostile() -> Report:
    """Return a report in which everything that can be hostile is."""
    finding = Finding(NodePlace(MEAN), verbatim(MEAN), advice=verbatim(MEAN))
    held = (Diagnosis(finding, Severity.ERROR),)
    result = CheckResult("a-b", MEAN, Severity.ERROR, Status.FAIL, None, (), held)
    report = of_results(result)
    host = report.host._replace(os=MEAN, kernel=MEAN)
    return report._replace(host=host, run=report.run._replace(source=MEAN))


def cases(report: Report, fail_on: Severity) -> dict[str, list[str]]:
    """Return the kinds of what each test case holds."""
    read = ElementTree.fromstring(junit.render(report, fail_on))
    return {
        case.attrib["name"]: [inner.tag for inner in case]
        for case in read.iter("testcase")
    }


@pytest.mark.parametrize("name", HOSTS)
def test_junit_fails_what_the_exit_status_fails(name: str) -> None:
    report = of_fixture(name)
    for fail_on in Severity:
        held = cases(report, fail_on)
        assert set(held) == {result.id for result in report.checks}
        for result in report.checks:
            bad = any(d.severity >= fail_on for d in result.diagnoses)
            assert ("failure" in held[result.id]) == bad
            quiet = result.status in (Status.PASS, Status.FAIL, Status.ERROR)
            assert ("skipped" in held[result.id]) == (not quiet)


@pytest.mark.parametrize("name", HOSTS)
def test_junit_counts_what_it_holds(name: str) -> None:
    read = ElementTree.fromstring(junit.render(of_fixture(name), Severity.WARNING))
    (suite,) = read
    found = Counter(inner.tag for case in suite for inner in case)
    assert int(suite.attrib["tests"]) == len(suite)
    assert int(suite.attrib["failures"]) == found["failure"]
    assert int(suite.attrib["skipped"]) == found["skipped"]
    assert int(suite.attrib["errors"]) == found["error"]


def test_junit_keeps_host_text_as_text() -> None:
    read = ElementTree.fromstring(junit.render(hostile(), Severity.WARNING))
    assert [case.attrib["name"] for case in read.iter("testcase")] == ["a-b"]
    (failure,) = read.iter("failure")
    assert failure.text
    assert "</testcase>" in failure.text


@pytest.mark.parametrize("name", HOSTS)
def test_metrics_say_what_the_report_says(name: str) -> None:
    report = of_fixture(name)
    families = {
        family.name: family
        for family in text_string_to_metric_families(prometheus.render(report))
    }
    found = families["vfio_doctor_findings"].samples
    assert {s.labels["severity"]: s.value for s in found} == dict(
        report.summary.severities
    )
    ended = families["vfio_doctor_check_status"].samples
    assert {s.labels["check"]: s.labels["status"] for s in ended if s.value} == {
        result.id: result.status.value for result in report.checks
    }
    causes = families["vfio_doctor_root_cause"].samples
    assert tuple(s.labels["check"] for s in causes) == report.summary.root_causes
    (when,) = families["vfio_doctor_last_run_timestamp_seconds"].samples
    assert when.value == 1767323045


def test_metrics_keep_host_text_in_their_labels() -> None:
    made = prometheus.render(hostile())
    (info,) = next(iter(text_string_to_metric_families(made))).samples
    assert info.value == 1
    assert set(info.labels) == {"version", "system", "kernel"}
    assert '"\\' in info.labels["system"]
