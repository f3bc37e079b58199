"""``vfio-doctor vm``, as a person calls it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import click
import pytest
from jsonschema import Draft4Validator

from support import vm_hosts
from support.click_runner import runner
from support.corpus import OURS
from support.fixture_hosts import catalogue
from support.hosts import changed
from support.rows import for_each
from vfio_doctor.cli import cli
from vfio_doctor.commands.vm import command
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.lints import every
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.judge import Judged
from vfio_doctor.lints.lint import Lint
from vfio_doctor.messages import verbatim
from vfio_doctor.parse.xml_tree import Refused
from vfio_doctor.report.vm_json import as_github, uri

HOST = str(catalogue.path("vfio-vm-with-huge-pages"))
SICK = EXAMPLE.replace("model='none'", "model='virtio'").replace(
    "'share':true", "'share':false"
)
PAGES = ("--capture", HOST, "vm")
SCHEMA = json.loads((OURS / "sarif" / "sarif-2.1.0.json").read_text(encoding="utf-8"))


@pytest.fixture
def sick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("win11.xml").write_text(SICK, encoding="utf-8")
    return "win11.xml"


def run(*words: str, text: str = "") -> tuple[int, str, str]:
    result = runner().invoke(cli, words, input=text)
    return result.exit_code, result.stdout, result.stderr


def test_text_is_a_compilers(sick: str) -> None:
    status, out, _ = run("vm", "--no-host", sick)
    line = next(x for x in SICK.splitlines() if "memballoon" in x)
    number = SICK.splitlines().index(line) + 1
    assert status == 1
    assert (
        f"win11.xml:{number}:17: warning: A balloon of type virtio does nothing for a"
        f" VM"
        " with a passed device but cost speed. [vm-memballoon]\n"
        f"{number:>5} | {line}\n      |                 ^~~~~~~~~~~~~~\n"
        "    = Write <memballoon model='none'/>.\n"
    ) in out
    assert out.endswith("Errors: 1; warnings: 1; notes: 0.\n")


def test_a_clean_text_is_said_to_be() -> None:
    status, out, _ = run("vm", "--no-host", "-", text=EXAMPLE)
    assert (status, out) == (0, "Found nothing wrong in win11.\n")


@pytest.mark.parametrize(
    ("least", "status"), [("error", 1), ("warning", 1), ("info", 1)]
)
def test_the_exit_status_follows_fail_on(sick: str, least: str, status: int) -> None:
    assert run("vm", "--no-host", "--fail-on", least, sick)[0] == status
    tablet = EXAMPLE.replace("<memballoon", "<input type='tablet'/><memballoon")
    text = run("vm", "--no-host", "--fail-on", least, "-", text=tablet)
    assert text[0] == (1 if least == "info" else 0)


def test_a_vm_by_its_name_and_all_of_them() -> None:
    status, out, _ = run(*PAGES, "win11")
    assert (status, out) == run(*PAGES)[:2]
    assert "/etc/libvirt/qemu/win11.xml:1:" in out


def test_a_name_that_no_vm_has() -> None:
    status, out, said = run(*PAGES, "win12")
    assert (status, out) == (2, "")
    assert "no VM of this host has that name" in said
    assert "Did you mean win11? There are: win11." in said
    assert "There are: win11." in run(*PAGES, "debian")[2]


def test_the_corrected_definition_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vfio_doctor.app import open_host

    sick_host = vm_hosts.host(files={"/etc/libvirt/qemu/win11.xml": SICK})
    monkeypatch.setattr(open_host, "open_host", lambda _: sick_host)
    path = tmp_path / "fixed.xml"
    status, out, said = run("vm", "--fix", "--risky", "-o", str(path), "win11")
    assert (status, out) == (0, "")
    assert f"`virsh define {path}`" in " ".join(said.split())
    fixed = path.read_text(encoding="utf-8")
    assert fixed == SICK.replace("model='virtio'", "model='none'")
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.chdir(tmp_path)
    assert run("vm", "--fix", "--risky", "-o", "-", "win11")[1] == fixed
    assert not Path("-").exists()
    status, out, said = run("vm", "--fix", "--risky", "--capture", HOST, "win11")
    assert (status, out) == (2, "")
    assert "leave out --capture" in said


def test_names_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    from vfio_doctor.app import open_host

    shown = vm_hosts.host(files={"/etc/libvirt/qemu/win11.xml": EXAMPLE})
    monkeypatch.setattr(open_host, "open_host", lambda _: shown)
    (argument,) = (p for p in command.params if p.name == "names")
    context = click.Context(command)
    for begun, names in (("w", ["win11", "w"]), ("x", ["x"])):
        found = argument.shell_complete(context, begun)
        assert [item.value for item in found] == names


def test_definitions_that_root_alone_may_read(tmp_path: Path) -> None:
    path = "/etc/libvirt/qemu/win11.xml"
    closed = changed(vm_hosts.host(), {path: Missing(path, Why.DENIED)})
    save(closed.capture, tmp_path / "host")
    status, out, _ = run("--capture", str(tmp_path / "host"), "vm")
    assert (status, out.splitlines()[0]) == (2, f"{path}: not read: {path}: denied")
    closed.capture.lists["/etc/libvirt/qemu"] = Missing("/etc/libvirt/qemu", Why.DENIED)
    save(closed.capture, tmp_path / "folder")
    status, out, said = run("--capture", str(tmp_path / "folder"), "vm")
    assert (status, out) == (3, "")
    assert "Some could not be read: /etc/libvirt/qemu: denied" in said


def test_a_host_without_vms(tmp_path: Path) -> None:
    save(vm_hosts.host().capture, tmp_path / "host")
    status, out, _ = run("--capture", str(tmp_path / "host"), "vm")
    assert status == 0
    assert out.startswith("No definition of a VM was found here. Name a file")


@for_each(
    ("text", "said"),
    [
        (
            "<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>",
            "not read: it has a document type",
        ),
        ("<network/>", "<stdin>:1:1: not read: it is a <network>"),
        ("#!/bin/sh\necho hello", "and XML begins with <"),
        ("qemu-system-x86_64", "no command in it starts QEMU with options"),
        ("", "it is empty"),
        ("<a>" + "x" * (1 << 20) + "</a>", "larger than 1 MiB"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    status, out, _ = run("vm", "--no-host", "-", text=text)
    assert status == 2
    assert said in out


def test_a_pipe_is_read_and_an_idle_one_is_no_wait(tmp_path: Path) -> None:
    pipe = tmp_path / "win11.xml"
    os.mkfifo(pipe)
    status, out, _ = run("vm", "--no-host", str(pipe))
    assert (status, "it is empty" in out) == (2, True)
    read, write = os.pipe()
    os.write(write, EXAMPLE.encode())
    os.close(write)
    status, out, _ = run("vm", "--no-host", f"/dev/fd/{read}")
    os.close(read)
    assert (status, out) == (0, "Found nothing wrong in win11.\n")


def test_libvirts_status_files_hold_a_definition() -> None:
    text = f"<domstatus state='running'>\n{SICK}</domstatus>"
    status, out, _ = run("vm", "--no-host", "-", text=text)
    number = text[: text.index("<memballoon")].count("\n") + 1
    assert status == 1
    assert f"<stdin>:{number}:17: warning" in out


def test_json_is_as_it_is_written_down(sick: str) -> None:
    _, out, _ = run("vm", "--no-host", "--format", "json", sick)
    said = json.loads(out)
    assert said["schema"] == "vfio-doctor/vm/1"
    (domain,) = said["domains"]
    assert (domain["name"], domain["path"], domain["refused"]) == ("win11", sick, "")
    assert [f["lint"] for f in domain["faults"]] == [
        "vm-memballoon",
        "vm-shm-not-shared",
    ]
    assert domain["faults"][0]["curable"]
    page = (Path(__file__).parents[2] / "docs" / "vm.md").read_text(encoding="utf-8")
    for field in ("schema", "domains", *domain, *domain["faults"][0]):
        assert f"`{field}`" in page


def test_sarif_passes_the_schema(sick: str) -> None:
    Draft4Validator.check_schema(SCHEMA)
    for words in ((sick,), (sick, "-")):
        _, out, _ = run("vm", "--no-host", "--format", "sarif", *words, text="<a/>")
        log = json.loads(out)
        assert list(Draft4Validator(SCHEMA).iter_errors(log)) == []
        (held,) = log["runs"]
        first = held["results"][0]
        assert (
            held["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"]
        )
        assert len(held["tool"]["driver"]["rules"]) == len(every())
        assert held["invocations"][0]["executionSuccessful"] == (words == (sick,))


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        (
            "a.xml",
            SICK.replace("<memballoon", "<!-- größe 😀 --><memballoon"),
            "model=",
        ),
        ("a.sh", "qemu-kvm -m 1 \\\n -device 'vfio-pci,host=01:00.0'\n", "'vfio-pci"),
    ],
)
def test_sarif_regions_are_what_is_meant(
    name: str, text: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text, encoding="utf-8")
    _, out, _ = run("--capture", HOST, "vm", "--format", "sarif", name)
    log = json.loads(out)
    assert list(Draft4Validator(SCHEMA).iter_errors(log)) == []
    parts = []
    for result in log["runs"][0]["results"]:
        region = result["locations"][0]["physicalLocation"]["region"]
        line = text.splitlines()[region["startLine"] - 1]
        parts.append(line[region["startColumn"] - 1 : region["endColumn"] - 1])
    assert all(parts)
    assert any(part.startswith(meant) for part in parts), parts


def test_the_schema_is_the_one_that_was_published() -> None:
    """Its licence allows no changed copy, and wants its notice beside it."""
    data = (OURS / "sarif" / "sarif-2.1.0.json").read_bytes()
    published = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
    assert hashlib.sha256(data).hexdigest() == published
    notice = (OURS / "sarif" / "NOTICE").read_text(encoding="utf-8")
    for words in ("Copyright © OASIS Open 2023.", "WILL NOT BE LIABLE", "a trademark"):
        assert words in notice


def test_github_annotations(sick: str) -> None:
    _, out, _ = run("vm", "--no-host", "--format", "github", sick)
    first, second = out.splitlines()
    assert re.fullmatch(
        r"::warning file=win11.xml,line=\d+,col=17,endColumn=30,"
        r"title=vm-memballoon::.*",
        first,
    )
    assert second.startswith("::error file=win11.xml,line=")


@pytest.mark.parametrize("name", ["b\udc80.xml", "\x1b[31m\x07\x9b\u2028a,b.xml"])
def test_names_with_bytes_that_are_no_text(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(SICK, encoding="utf-8")
    Path(f"c{name}").write_text("<a/>", encoding="utf-8")
    for format_ in ("text", "json", "sarif", "github"):
        words = ("vm", "--no-host", "--format", format_, name, f"c{name}")
        status, out, said = run(*words)
        assert (status, said) == (2, ""), format_
        out.encode("ascii")
        assert "memballoon" in out
        assert out.replace("\n", "").isprintable()


def test_a_uri_has_the_bytes_of_the_name() -> None:
    assert uri(os.fsdecode(b"/a b/\x80\xff\xc3\xb6.xml")) == (
        "file:///a%20b/%80%FF%C3%B6.xml"
    )
    assert uri("a\ud800.xml") == "a%3F.xml"


def test_annotations_have_nothing_that_is_not_seen() -> None:
    odd = "\x1b]0;x\x07\x9b\u2028::error::\r\n%0A"
    text = SICK.replace("/dev/kvmfr0", "/dev/kvmfr0/&#10;&#13;\u2028\u009b::stop::%0A")
    refused = Judged(odd, odd, refused=Refused(verbatim(odd)))
    _, out, _ = run("vm", "--no-host", "--format", "github", "-", text=text)
    out += as_github((refused,))
    assert out.replace("\n", "").isprintable()
    assert [x for x in out.splitlines() if not x.startswith("::")] == []
    assert "%0A" not in out.replace("%250A", "")


def test_a_diff_changes_nothing_else(sick: str) -> None:
    status, out, _ = run("vm", "--no-host", "--fix", "--dry-run", sick)
    changed = [line for line in out.splitlines() if re.match(r"[+-] ", line)]
    assert status == 1
    assert changed == [
        "-    <memballoon model='virtio'/>",
        "+    <memballoon model='none'/>",
    ]
    assert Path(sick).read_text(encoding="utf-8") == SICK


def patched(folder: Path, diff: str, strip: str) -> None:
    subprocess.run(
        ("patch", strip, "--binary", "--batch"),
        input=diff.encode(),
        check=True,
        capture_output=True,
        cwd=folder,
    )


@pytest.mark.runs("patch")
@pytest.mark.needs_tool("patch")
@pytest.mark.parametrize("strip", ["-p0", "-p1"])
@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("win11.xml", "here"),
        ("./win11.xml", "here"),
        ("vms/my win11.xml", "here"),
        ("../win11.xml", ""),
        ("{}/win11.xml", ""),
        ("{}/here/vms/win 11.xml", "here/vms"),
    ],
)
def test_the_diff_can_be_applied(
    path: str, folder: str, strip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "vms").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    text = SICK.replace("\n", "\r\n", 3) + "<!-- no end of line -->"
    file = Path(path.format(tmp_path))
    file.write_bytes(text.encode())
    _, out, _ = run("vm", "--no-host", "--fix", "--dry-run", str(file))
    patched(tmp_path / folder, out, strip)
    after = file.read_bytes().decode()
    assert after == text.replace("model='virtio'", "model='none'")


@for_each(
    ("words", "said"),
    [
        (("--fix",), "Add --dry-run"),
        (("--risky", "a"), "--risky goes with --fix"),
        (("--fix", "--risky", "-y", "nowhere.xml"), "No such file"),
        (("--dry-run",), "--dry-run goes with --fix"),
        (("--fix", "--dry-run", "--format", "json"), "leave out --format"),
        (("--explain", "vm-membaloon"), "Did you mean vm-memballoon?"),
        (("nowhere.xml",), "No such file"),
    ],
)
def test_refused(words: tuple[str, ...], said: str) -> None:
    status, out, err = run("vm", *words)
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("lint", every(), ids=lambda lint: lint.id)
def test_every_lint_has_a_page(lint: type[Lint]) -> None:
    status, out, _ = run("vm", "--explain", lint.id)
    assert status == 0
    for heading in ("How to put it right:", "False alarms:"):
        assert heading in out
    assert ("Wrong:\n" in out) is bool(lint.right)
    assert f"{lint.id} " in run("vm", "--list")[1]
    assert run("explain", lint.id) == (0, out, "")
