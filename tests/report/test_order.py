"""That the host has one graphics card only is said before anything else."""

from __future__ import annotations

from support.reports import of_fixture
from vfio_doctor.model import Severity
from vfio_doctor.report.order import FIRST, failed

NAME = "case-vfio-01-pop-vtd-off"


def test_one_card_only_comes_before_an_error() -> None:
    report = of_fixture(NAME)
    first, second, *_ = failed(report)
    assert {d.finding.message.id for d in first.diagnoses} & FIRST
    assert first.severity is Severity.INFO
    assert (second.id, second.severity) == ("iommu-firmware-off", Severity.ERROR)
    # What causes what is another matter: that does not change.
    assert report.summary.root_causes == ("iommu-firmware-off",)
