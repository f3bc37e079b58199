"""Every size that the command line takes is planned and passes our own check."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import played_machine as played
from support.effort import mostly_slow
from support.fixture_hosts import catalogue
from vfio_doctor.boot.selection import choose
from vfio_doctor.cli import cli
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.facts.kvmfr.limits import is_good_size
from vfio_doctor.facts.kvmfr.size import made_of
from vfio_doctor.host.reader import ProbeResult
from vfio_doctor.model import CheckResult, Status
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.values import Ending

REGISTRY = load()
CHECK = "kvmfr-no-device"
TAKEN = [32, 64, 128, 256, 512, 1024]
# No size at all; a bad one on the kernel command line.
SICK = ["bazzite-no-size", "bazzite-odd-size"]


def taken(size: str) -> bool:
    try:
        context = cli.make_context(
            "vfio-doctor", ["--fix", "--dry-run", "--size", size]
        )
    except click.BadParameter:
        return False
    return bool(context.params["size_mib"] == int(size))


@given(st.integers(-(1 << 33), 1 << 33) | st.integers(0, 33).map(lambda n: 1 << n))
def test_what_is_taken_is_what_the_check_likes(size: int) -> None:
    made = made_of(str(size))
    likes = not made.errors and not made.doubts
    assert taken(str(size)) == likes == is_good_size(size) == (size in TAKEN)


@pytest.mark.runs("python", "python3", "sh")
@pytest.mark.parametrize("size", mostly_slow(TAKEN, 3))
@pytest.mark.parametrize("name", SICK)
def test_planned_applied_and_not_faulted(tmp_path: Path, name: str, size: int) -> None:
    assert taken(str(size))
    host = played.PlayedHost(tmp_path, catalogue.capture(name))
    backend = choose(host, Facts(host))
    facts = Facts(host, Options(size_mib=size))
    plan = make_plan(host, facts, diagnose(facts, REGISTRY), backend)
    assert CHECK in {served.check for fix in plan.fixes for served in fix.findings}
    assert apply_plan(plan, played.machine(host, backend)).ending is Ending.DONE
    played.reboot(host)
    answer = host.probe("kvmfr-size", "/dev/kvmfr0")
    assert isinstance(answer, ProbeResult)
    assert answer.value("size") == size << 20
    assert result(host).status is Status.PASS


def result(host: played.PlayedHost) -> CheckResult:
    (found,) = (r for r in diagnose(Facts(host), REGISTRY) if r.id == CHECK)
    return found
