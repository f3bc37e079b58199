"""A second `--fix` or `setup looking-glass` before the reboot has nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.test_kill_matrix import GLASS, bluefin, glass, mend
from support import played_machine as played
from support.kill_matrix import heard
from support.played_place import place
from vfio_doctor.app import repair
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.place import Place
from vfio_doctor.app.planning import planned
from vfio_doctor.app.printed import status_of
from vfio_doctor.model import CheckResult, Severity
from vfio_doctor.report.plan import plan_lines

pytestmark = pytest.mark.runs("sh", "python", "python3")
MEND = Chosen(fix=True, yes=True)
ONLY = "Nothing is left to do but reboot."
WAITS = "Waits for the reboot: The kernel does not use the IOMMU (host)"
LOADED = "etc/modules-load.d/kvmfr.conf"


@pytest.fixture(name="host", params=[mend, glass])
def set_before(
    tmp_path: Path, request: pytest.FixtureRequest
) -> tuple[played.PlayedHost, Callable[[Place], int]]:
    host = bluefin(tmp_path)
    status, said = heard(request.param, host)
    assert status == 0, said
    return host, request.param


def test_a_second_run_says_that_only_the_reboot_is_left(
    host: tuple[played.PlayedHost, Callable[[Place], int]],
) -> None:
    there, act = host
    status, said = heard(act, there)
    assert status == 0, said
    assert said.startswith(ONLY)
    assert WAITS in said
    assert "Cannot be repaired" not in said
    assert "A reboot is needed" not in said
    # A diagnosis ends with what it finds.
    assert status_of(place(there).look(GLASS).report, GLASS) == 1


def test_what_waits_is_no_fault_of_another_repair(tmp_path: Path) -> None:
    host = bluefin(tmp_path)
    heard(mend, host)
    (host.root / LOADED).unlink()
    host.moved()
    status, said = heard(mend, host)
    assert (status, "Done. Run" in said) == (0, True), said
    assert (host.root / LOADED).exists()


def test_other_faults_still_count(tmp_path: Path) -> None:
    host = bluefin(tmp_path)
    heard(mend, host)
    noted = Chosen(fix=True, yes=True, fail_on="info")
    status, _ = heard(lambda where: repair.run(noted, where), host)
    assert status == 1

    done = place(host).look(MEND)

    def graver(result: CheckResult) -> CheckResult:
        if result.id != "kvm-msrs-not-ignored":
            return result
        worse = (d._replace(severity=Severity.ERROR) for d in result.diagnoses)
        return result._replace(diagnoses=tuple(worse))

    report = done.report._replace(checks=tuple(map(graver, done.report.checks)))
    said = "\n".join(plan_lines(planned(done, False)[0], report))
    assert ONLY not in said
    assert said.startswith("What this program can repair is set already")
