"""Packages name one version, the files that are there, and options that exist."""

from __future__ import annotations

import hashlib
import re
import runpy
import subprocess
import sys
import tarfile
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

from support.rows import for_each
from vfio_doctor.app.chosen import FORMATS
from vfio_doctor.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
UBLUE = PACKAGING / "ublue"
JUST = Path(sys.executable).parent / "just"


def settings() -> ConfigParser:
    held = ConfigParser()
    held.read(ROOT / "setup.cfg")
    return held


@for_each(
    ("file", "pattern"),
    [
        ("debian/changelog", r"^vfio-doctor \(([\d.]+)\)"),
        ("rpm/vfio-doctor.spec", r"^Version:\s+(\S+)$"),
        ("rpm/vfio-doctor.spec", r"> - ([\d.]+)-1$"),
        ("arch/PKGBUILD", r"^pkgver=(\S+)$"),
        ("ansible/galaxy.yml", r"^version: (\S+)$"),
    ],
)
def test_one_version(file: str, pattern: str) -> None:
    found = re.search(pattern, (PACKAGING / file).read_text(), re.MULTILINE)
    assert found
    assert found[1] == settings()["metadata"]["version"]


@pytest.mark.parametrize("file", ["debian/control", "rpm/vfio-doctor.spec"])
def test_the_packages_that_setup_asks_for(file: str) -> None:
    text = (PACKAGING / file).read_text()
    for line in settings()["options"]["install_requires"].split():
        name, _, least = line.partition(">=")
        assert re.search(rf"{name}\W.*>= {re.escape(least)}", text), line


@for_each("page", ["guides", "zh_CN/guides"])
def test_the_guides_name_what_a_build_needs(page: str) -> None:
    spec = (PACKAGING / "rpm/vfio-doctor.spec").read_text()
    needed = re.findall(r"^BuildRequires: +(\S+)", spec, re.MULTILINE)
    fedora = (ROOT / "docs" / page / "fedora.md").read_text(encoding="utf-8")
    for name in needed:
        package = re.sub(r"python3dist\((.*)\)", r"python3-\1", name)
        assert f"`{package}`" in fedora
    debian = (ROOT / "docs" / page / "debian.md").read_text(encoding="utf-8")
    assert "sudo apt build-dep ./packaging\n" in debian
    assert (PACKAGING / "debian/control").exists()


@for_each("file", ["debian/rules", "debian/vfio-doctor.docs", "rpm/vfio-doctor.spec"])
def test_files_that_are_named_are_there(file: str) -> None:
    text = (PACKAGING / file).read_text()
    for path in re.findall(r"\b(?:docs|tests)/[\w./-]+\.(?:md|host)\b", text):
        assert (ROOT / path).is_file(), path


@pytest.mark.runs("bash")
@for_each(
    "file", ["arch/PKGBUILD", "ublue/greenboot-vfio-doctor.sh", "../scripts/packages"]
)
def test_shell_that_can_be_read(file: str) -> None:
    subprocess.run(["bash", "-n", str(PACKAGING / file)], check=True)


@pytest.mark.runs("just")
def test_recipes_are_formatted() -> None:
    words = ["--unstable", "--fmt", "--check", "--justfile", "75-vfio-doctor.just"]
    subprocess.run([str(JUST), *words], cwd=UBLUE, check=True)


@pytest.mark.runs("just")
@for_each(
    ("words", "right"),
    [
        (("doctor-vfio",), "vfio-doctor || true"),
        (("setup-vfio",), "sudo vfio-doctor setup passthrough"),
        (
            ("configure-vfio", "2560x1440"),
            "sudo vfio-doctor setup looking-glass --resolution 2560x1440",
        ),
        (("report-vfio",), "vfio-doctor bug-report"),
    ],
)
def test_what_a_recipe_runs(words: tuple[str, ...], right: str) -> None:
    call = [str(JUST), "--dry-run", "--justfile", "75-vfio-doctor.just", *words]
    done = subprocess.run(call, cwd=UBLUE, check=True, capture_output=True, text=True)
    assert done.stderr.strip() == right


def test_commands_in_the_files_are_ours() -> None:
    ours = cli.list_commands(click.Context(cli))
    for path in UBLUE.glob("[!R]*"):
        text = re.sub(r"^(#|Description=).*$", "", path.read_text(), flags=re.MULTILINE)
        for command in re.findall(r"vfio-doctor ([a-z][a-z-]+)\b", text):
            assert command in ours, (path.name, command)
    unit = (UBLUE / "vfio-doctor-metrics.service").read_text()
    assert re.findall(r"--format (\w+)", unit) == ["prometheus"]
    assert "prometheus" in FORMATS


@pytest.mark.runs("systemd-analyze")
@pytest.mark.needs_tool("systemd-analyze")
# It wants a folder in /run, which is not there without systemd.
@pytest.mark.needs_root
def test_units_can_be_read(tmp_path: Path) -> None:
    for name in ("vfio-doctor-metrics.service", "vfio-doctor-metrics.timer"):
        text = (UBLUE / name).read_text()
        # Neither the program nor its manual is installed here.
        text = text.replace("ExecStart=vfio-doctor", "ExecStart=/bin/true")
        text = re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(text)
    call = ["systemd-analyze", "verify", *map(str, tmp_path.iterdir())]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "vfio-doctor" in line]
    assert told == []
    assert done.returncode == 0


REPORT = {
    "install": [
        {
            "metadata": {"name": name},
            "download_info": {
                "url": f"https://example.org/{name}-1.tar.gz",
                "archive_info": {"hashes": {"sha256": digest * 64}},
            },
        }
        for name, digest in (("tabulate", "b"), ("Click", "a"))
    ]
}


def formula(tmp_path: Path) -> Path:
    """Return a formula that is filled in, for a source beside it."""
    source = tmp_path / "vfio-doctor-0.1.0.tar.gz"
    source.write_bytes(b"source")
    fill = runpy.run_path(str(PACKAGING / "homebrew/fill.py"))
    made = fill["filled"](fill["TEMPLATE"].read_text(), source, REPORT)
    path = tmp_path / "vfio-doctor.rb"
    path.write_text(made)
    return path


def test_a_formula_holds_true_hashes(tmp_path: Path) -> None:
    text = formula(tmp_path).read_text()
    assert f'sha256 "{hashlib.sha256(b"source").hexdigest()}"' in text
    assert re.findall('^  resource "(.*)" do$', text, re.MULTILINE) == [
        "click",
        "tabulate",
    ]
    assert text.index("a" * 64) < text.index("b" * 64)
    assert "# SOURCE" not in text
    assert "# RESOURCES" not in text
    # What is committed claims no hash.
    assert "sha256" not in (PACKAGING / "homebrew/vfio-doctor.rb").read_text()


@pytest.mark.runs("ruby")
@pytest.mark.needs_tool("ruby")
def test_a_formula_can_be_read_by_ruby(tmp_path: Path) -> None:
    call = ["ruby", "-wc", str(formula(tmp_path))]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout == "Syntax OK\n"
    assert done.stderr == ""


# Without git all files are taken, and other tests leave some.
@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout of git")
@pytest.mark.runs("packages")
def test_a_source_is_made_with_the_same_bytes_and_its_hash(tmp_path: Path) -> None:
    script = str(ROOT / "scripts/packages")
    for kind, folder in (("arch", "one"), ("source", "two")):
        subprocess.run([script, kind, str(tmp_path / folder)], check=True)
    name = f"vfio-doctor-{settings()['metadata']['version']}"
    one, two = (tmp_path / folder / f"{name}.tar.gz" for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    digest = hashlib.sha256(one.read_bytes()).hexdigest()
    assert f"sha256sums=('{digest}')" in (tmp_path / "one/PKGBUILD").read_text()
    with tarfile.open(one) as held:
        assert {f"{name}/setup.cfg", f"{name}/docs/vfio-doctor.1"} <= {*held.getnames()}
