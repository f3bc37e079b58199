import json

import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.boot.next_kernel import NextKernel, release_of
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult

BASE = {"/proc/cmdline": "quiet", "/run/ostree-booted": ""}
RPM = {**BASE, "/usr/bin/rpm-ostree": ""}
BOOTC = {**BASE, "/usr/bin/bootc": ""}
STAGED = {"/run/ostree/staged-deployment": "x"}
ENTRY = {"/boot/loader/entries/ostree-1.conf": "version 1\nlinux /o/vmlinuz-6.1.0\n"}
STATUS = ("rpm-ostree", "status", "--json")
BOOTC_STATUS = ("bootc", "status", "--format", "json")
DEPLOYMENT = "/ostree/deploy/default/deploy/abc.0/usr/lib/modules"


def ask(
    files: dict[str, str],
    commands: dict[tuple[str, ...], CommandResult] | None = None,
    folders: tuple[str, ...] = (),
) -> NextKernel:
    return Facts(hosts.build(files, folders=folders, commands=commands))[NextKernel]


def answer(
    argv: tuple[str, ...], value: object
) -> dict[tuple[str, ...], CommandResult]:
    return {argv: hosts.ran(argv, json.dumps(value))}


RPM_STATUS = answer(
    STATUS, {"deployments": [{"osname": "default", "checksum": "abc", "serial": 0}]}
)
BOOTC_JSON = answer(
    BOOTC_STATUS,
    {"status": {"staged": {"ostree": {"stateroot": "default", "checksum": "abc"}}}},
)


@for_each(
    ("path", "release"),
    [
        ("/vmlinuz-6.1.0-28-amd64", "6.1.0-28-amd64"),
        ("/ostree/a-1/vmlinuz-6.15.4-200.fc42.x86_64", "6.15.4-200.fc42.x86_64"),
        ("/0123abc/6.12.4-arch1-1/linux", "6.12.4-arch1-1"),
        ("/vmlinuz-linux", ""),
        ("/0123/linux", ""),
        ("", ""),
    ],
)
def test_release_in_a_path(path: str, release: str) -> None:
    assert release_of(path) == release


def test_entry_names_it_without_a_process() -> None:
    found = ask({**RPM, **ENTRY})
    assert found == ("6.1.0", "/boot/loader/entries/ostree-1.conf")


@for_each(
    ("files", "commands"),
    [
        ({**RPM, **ENTRY, **STAGED}, RPM_STATUS),
        (RPM, RPM_STATUS),
        ({**BOOTC, **ENTRY, **STAGED}, BOOTC_JSON),
    ],
    ids=["staged", "entries not readable", "staged by bootc"],
)
def test_deployment_names_it(
    files: dict[str, str], commands: dict[tuple[str, ...], CommandResult]
) -> None:
    found = ask(files, commands, (f"{DEPLOYMENT}/6.2.0",))
    assert found == ("6.2.0", DEPLOYMENT)


@for_each(
    ("commands", "folders"),
    [
        ({}, ()),
        ({STATUS: hosts.ran(STATUS, "{}")}, ()),
        (RPM_STATUS, ()),
        (RPM_STATUS, (f"{DEPLOYMENT}/6.2.0", f"{DEPLOYMENT}/6.3.0")),
    ],
)
def test_staged_and_not_told(
    commands: dict[tuple[str, ...], CommandResult], folders: tuple[str, ...]
) -> None:
    with pytest.raises(MissingFact):
        ask({**RPM, **ENTRY, **STAGED}, commands, folders)


def test_bootc_that_tells_nothing() -> None:
    with pytest.raises(MissingFact):
        ask({**BOOTC, **STAGED}, {BOOTC_STATUS: hosts.ran(BOOTC_STATUS, "")})


def arch(*packages: tuple[str, str]) -> CapturedHost:
    folder = "/boot/loader"
    files = {
        "/proc/cmdline": "quiet",
        f"{folder}/loader.conf": "",
        f"{folder}/entries/arch.conf": "linux /vmlinuz-linux-zen\noptions quiet\n",
    }
    for release, package in packages:
        files[f"/usr/lib/modules/{release}/pkgbase"] = f"{package}\n"
    return hosts.build(files)


def test_package_names_it() -> None:
    host = arch(("6.12.4-arch1-1", "linux"), ("6.12.5-zen1-1-zen", "linux-zen"))
    found = Facts(host)[NextKernel]
    assert found.release == "6.12.5-zen1-1-zen"
    with pytest.raises(MissingFact, match="release"):
        _ = Facts(arch(("6.12.4-arch1-1", "linux")))[NextKernel]


def test_nixos() -> None:
    system = "/nix/var/nix/profiles/system"
    folder = f"{system}/kernel-modules/lib/modules"
    files = {"/proc/cmdline": "", "/etc/NIXOS": ""}
    assert ask(files, folders=(f"{folder}/6.12.1",)).release == "6.12.1"
