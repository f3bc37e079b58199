"""What keeps a file from being replaced is known when the plan is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.boot.grub import Grub
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import Kind, Missing, ProbeResult, Stat
from vfio_doctor.messages import say
from vfio_doctor.model import (
    Applicability,
    Change,
    CheckResult,
    Diagnosis,
    EditLine,
    Finding,
    FixOffer,
    KernelArguments,
    Severity,
    Status,
)
from vfio_doctor.places import HostPlace
from vfio_doctor.repair import replaceable
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.replaceable import why_not

PATH = "/etc/modprobe.d/kvm.conf"
FOLDER = Stat(Kind.DIRECTORY, 0o755, 0, 0)
FOLDERS = {"/etc": FOLDER, "/etc/modprobe.d": FOLDER}


def why(
    stats: dict[str, Stat | Missing] | None = None, **values: int
) -> tuple[str, str]:
    """The id and the text of the refusal, the probe of the file answering that."""
    answer = ProbeResult("file", (), tuple(values.items()))
    host = hosts.build(
        {PATH: "a\n"}, {**FOLDERS, **(stats or {})}, probes={("file", PATH): answer}
    )
    said = why_not(host, PATH)
    return ("", "") if said is None else (said.id, str(said))


@for_each(
    ("values", "id_", "text"),
    [
        ({}, "", ""),
        ({"links": 1, "immutable": 0}, "", ""),
        ({"links": 2}, replaceable.LINKED.id, "2 names"),
        ({"mounted": 1, "read_only": 1}, replaceable.MOUNTED.id, "mounted on"),
        ({"immutable": 1}, "path-immutable", f"chattr -i {PATH}"),
        ({"append_only": 1}, "path-append-only", f"chattr -a {PATH}"),
        ({"read_only": 1}, "path-read-only", "read-only"),
    ],
)
def test_attributes(values: dict[str, int], id_: str, text: str) -> None:
    assert why(None, **values)[0] == id_
    assert text in why(None, **values)[1]
    assert not id_ or PATH in why(None, **values)[1]


def test_links_on_the_way_and_at_the_end() -> None:
    assert why({PATH: hosts.link("../x")})[0] == replaceable.A_LINK.id
    behind = why({"/etc/modprobe.d": hosts.link("/nix/store/x")})
    assert behind[0] == replaceable.FOLDER_IS_LINK.id
    assert "/nix/store/x" in behind[1]


def test_a_new_file_asks_its_nearest_folder() -> None:
    answer = ProbeResult("file", (), (("immutable", 1),))
    host = hosts.build({}, {"/etc": FOLDER}, probes={("file", "/etc"): answer})
    said = why_not(host, PATH)
    assert said is not None
    assert "chattr -i /etc`" in str(said)


def test_this_machine_answers(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "a"
    file.write_text("a")
    host = LiveHost(str(tmp_path))
    assert why_not(host, "/etc/a") is None
    os.link(file, tmp_path / "b")
    said = why_not(host, "/etc/a")
    assert said is not None
    assert said.id == replaceable.LINKED.id
    answer = LiveHost().probe("file", "/proc")
    assert isinstance(answer, ProbeResult)
    assert answer.value("mounted") == 1
    assert isinstance(LiveHost().probe("file", "/no/such/file"), Missing)


def _offered(id_: str, change: Change) -> CheckResult:
    summary = say("a-summary", "do it")
    fix = FixOffer(id_, Applicability.SAFE, summary, False, changes=(change,))
    finding = Finding(HostPlace(), say("a-fault", "a fault"))
    found = (Diagnosis(finding, Severity.ERROR, fix),)
    return CheckResult(f"c-{id_}", "t", Severity.ERROR, Status.FAIL, diagnoses=found)


@pytest.mark.parametrize("linked", [PATH, "/etc/default/grub"])
def test_one_such_file_stops_nothing_else(linked: str) -> None:
    files: dict[str, str | bytes | Missing] = {
        PATH: "a\n",
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
        "/usr/sbin/update-grub": "",
    }
    host = hosts.build(files, {linked: hosts.link("../dotfiles/x")})
    results = (
        _offered("edit", EditLine(PATH, "a", "b")),
        _offered("argument", KernelArguments(set_=("new=1",))),
    )
    plan = make_plan(host, Facts(host), results, Grub())
    refused = "edit" if linked == PATH else "argument"
    assert [r.fixes for r in plan.refused] == [(refused,)]
    assert plan.refused[0].why.id == replaceable.A_LINK.id
    assert {fix.id for fix in plan.fixes} == {"edit", "argument"} - {refused}
    assert plan.steps
