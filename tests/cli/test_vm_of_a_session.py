"""``vm --fix --risky`` of a VM of somebody's own session: refused, with what to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import vm_hosts
from support.click_runner import runner
from vfio_doctor.app import open_host
from vfio_doctor.cli import cli
from vfio_doctor.facts.vms import SESSION
from vfio_doctor.lints.example import EXAMPLE

SICK = EXAMPLE.replace("<memballoon model='none'/>", "<memballoon model='virtio'/>")


@pytest.fixture(name="path", params=SESSION)
def of_session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    path = f"/home/alice/{request.param}/win11.xml"
    passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
    files = {path: SICK, "/etc/passwd": passwd, "/etc/group": "alice:x:1000:\n"}
    monkeypatch.setattr(open_host, "open_host", lambda _: vm_hosts.host(files=files))
    return path


def run(*words: str) -> tuple[int, str, str]:
    done = runner().invoke(cli, ["vm", "--fix", "--risky", "--user", "alice", *words])
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


def test_it_is_refused_with_the_command_to_run(path: str) -> None:
    for words in (("win11",), ("-y", "win11")):
        status, out, said = run(*words)
        assert (status, out) == (2, "")
        assert f"{path}: win11 is a VM of somebody's own session" in said
        assert "`vfio-doctor vm --fix --risky -o FILE.xml win11`" in said
        own = "`virsh -c qemu:///session define FILE.xml`"
        app = path.partition("/.var/app/")[2].partition("/")[0]
        flatpak = (
            f"`flatpak run --command=virsh {app} -c qemu:///session define /dev/stdin"
            " < FILE.xml`"
        )
        assert (flatpak if app else own) in said


def test_the_corrected_definition_is_written(path: str, tmp_path: Path) -> None:
    file = tmp_path / "a b.xml"
    status, out, said = run("-o", str(file), "win11")
    assert (status, out) == (0, "")
    text = file.read_text(encoding="utf-8")
    assert text == SICK.replace("model='virtio'", "model='none'")
    assert f"'{file}'`" in said
    assert "without sudo" in said


def test_without_a_name_it_is_left_out(path: str) -> None:
    status, out, said = run("-y")
    assert (status, out.strip()) == (0, "There is nothing that can be put right here.")
    assert path not in said
