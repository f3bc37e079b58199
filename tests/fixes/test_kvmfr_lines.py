"""Which lines of the udev rules a repair changes, and which it leaves alone."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Change, DeleteFile, EditLine

FOLDER = "/etc/udev/rules.d"
NEW, OLD = f"{FOLDER}/70-kvmfr.rules", f"{FOLDER}/99-kvmfr.rules"
GROUP = 'SUBSYSTEM=="kvmfr", GROUP="{}", MODE="{}"'


def changes(host: CapturedHost) -> set[Change]:
    results = diagnose(Facts(host), load(), select=("kvmfr",))
    fixes = [d.fix for result in results for d in result.diagnoses if d.fix]
    assert not [fix.cannot for fix in fixes if fix.cannot]
    made = {change for fix in fixes for change in fix.changes}
    return {one for one in made if isinstance(one, (DeleteFile, EditLine))}


@pytest.mark.parametrize("name", ["24-bazzite43-both-rules", "m16-70-good-99-bad"])
def test_only_the_leftover_rule_goes(name: str) -> None:
    (change,) = changes(catalogue.host(f"case-kvmfr-{name}"))
    assert isinstance(change, DeleteFile)
    assert change.path == OLD


def test_a_line_of_another_person_stays() -> None:
    made = changes(catalogue.host("case-kvmfr-27b-two-devices-dropped-258"))
    mine = 'SUBSYSTEM=="kvmfr", KERNEL=="kvmfr0", {}GROUP="kvm", MODE="0660"'
    old, new = mine.format('OWNER="alice", '), mine.format("")
    assert made == {
        EditLine(OLD, old, f"# {old}"),
        EditLine(NEW, "", f'{new}, TAG+="uaccess"'),
    }


@pytest.mark.parametrize(
    ("group", "mode"),
    [("kvm", "0666"), ("video", "0660"), ("video", "0666"), ("nobody-has-it", "0660")],
)
def test_group_and_mode_are_edited_where_they_stand(group: str, mode: str) -> None:
    host = catalogue.host("case-kvmfr-26b-arch-group-0666")
    groups = host.capture.files["/etc/group"]
    assert isinstance(groups, bytes)
    rule = GROUP.format(group, mode)
    files = {OLD: f"# mine\n{rule}\n".encode(), "/etc/group": groups + b"video:x:44:\n"}
    made = changes(hosts.changed(host, files=files))
    assert made == {EditLine(OLD, rule, GROUP.format("kvm", "0660"))}
