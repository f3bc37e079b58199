"""The note that leads: which card, if nvidia has them all and nothing names one."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from support.hosts import changed
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Message, RunInfo
from vfio_doctor.report.steps import next_command, next_steps

REGISTRY = load()
CASE = catalogue.host("case-vfio-05-ubuntu-nvidia-holds-both")


def told(host: CapturedHost, source: str) -> tuple[list[str], Message | None]:
    facts = Facts(host)
    run = RunInfo("", 0, source)
    report = assemble(host, facts, diagnose(facts, REGISTRY), run)
    return [step.id for step in next_steps(report)], next_command(report)


def test_the_set_up_comes_before_what_is_only_tidied() -> None:
    for source, first in (("this host", "next-set-up"), ("x", "next-set-up-there")):
        steps, command = told(CASE, source)
        assert steps[:2] == [first, "next-fix-one"]
        assert "setup passthrough" in str(command)


def test_a_fault_comes_before_it() -> None:
    gone = ["/sys/kernel/iommu_groups", "/sys/class/iommu"]
    links = [p for p in CASE.capture.stats if p.endswith("/iommu_group")]
    host = changed(CASE, absent=[*gone, *links])
    steps, command = told(host, "this host")
    assert "next-set-up" not in steps
    assert command is not None
    assert "setup passthrough" not in str(command)


def test_what_mends_the_worst_mends_the_rest_in_one_run() -> None:
    steps, command = told(
        catalogue.host("case-vfio-02-manjaro-nvme-not-taken"), "this host"
    )
    assert [one for one in steps if one.startswith("next-fix")] == [
        "next-fix-risky-alone"
    ]
    assert command is not None
    assert "--fix --risky" in str(command)
