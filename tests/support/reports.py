"""Reports for tests: of fixture hosts, and made by hand."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry, load
from vfio_doctor.diagnosis.report import assemble, summarise
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.model import (
    BootInfo,
    CheckResult,
    HostInfo,
    Report,
    RunInfo,
    Told,
    ToolInfo,
)

NAMES = catalogue.names()
RUN = RunInfo("2026-01-02T03:04:05Z", 42, "this host")


def of_fixture(name: str, registry: Registry | None = None) -> Report:
    """The report of a fixture host, as if it were this host."""
    host = catalogue.host(name)
    facts, rules = Facts(host, Options()), registry or load()
    return assemble(host, facts, diagnose(facts, rules), RUN, rules.problems)


def of_results(*results: CheckResult, uid: int = 0, container: Told = "") -> Report:
    """A report that holds these results of an unnamed host."""
    return Report(
        ToolInfo("vfio-doctor", "0.1.0"),
        RUN,
        HostInfo("Testix", "", "6.1", "a CPU", "a box", container, "alice", uid),
        BootInfo("GRUB", "quiet", "/proc/cmdline", "quiet", "/boot"),
        summarise(results),
        results,
    )
