from __future__ import annotations

import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.udev import SystemdVersion, UdevRules, touches_kvmfr
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.parse.systemd_versions import Systemd

ETC, RUN = "/etc/udev/rules.d", "/run/udev/rules.d"
LOCAL, VENDOR = "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d"
RULE = 'SUBSYSTEM=="kvmfr", MODE="0660"\n'


def read(host: CapturedHost) -> UdevRules:
    return Facts(host)[UdevRules]


def test_order_by_name_and_hiding_by_folder() -> None:
    rules = read(
        hosts.build(
            {
                f"{VENDOR}/50-a.rules": RULE,
                f"{ETC}/70-b.rules": RULE,
                f"{VENDOR}/70-b.rules": RULE,
                f"{RUN}/70-b.rules": RULE,
                f"{LOCAL}/60-c.rules": 'KERNEL=="sda", MODE="0660"\n',
                f"{ETC}/20-kvmfr.conf": RULE,
                f"{VENDOR}/README": "no rules",
                "/lib/udev/rules.d/10-old.rules": RULE,
            }
        )
    )
    assert [file.path for file in rules.files] == [
        "/lib/udev/rules.d/10-old.rules",
        f"{VENDOR}/50-a.rules",
        f"{LOCAL}/60-c.rules",
        f"{ETC}/70-b.rules",
    ]
    assert [len(file.rules.lines) for file in rules.files] == [1, 1, 0, 1]
    assert rules.hidden == (f"{RUN}/70-b.rules", f"{VENDOR}/70-b.rules")
    assert rules.unread == ((f"{ETC}/20-kvmfr.conf", RULE),)
    assert rules.unreadable == ()


def test_lib_that_is_a_link_is_not_read_twice() -> None:
    rules = read(
        hosts.build({f"{VENDOR}/5.rules": RULE}, stats={"/lib": hosts.link("usr/lib")})
    )
    assert rules.hidden == ()


def test_masked_files() -> None:
    dead, null, empty = f"{ETC}/1.rules", f"{ETC}/2.rules", f"{ETC}/3.rules"
    rules = read(
        hosts.build(
            {
                null: Missing(null, Why.FAILED, "not a regular file"),
                empty: "",
                **{f"{VENDOR}/{n}.rules": RULE for n in (1, 2, 3)},
            },
            stats={dead: hosts.link("gone"), null: hosts.link("/dev/null")},
        )
    )
    host_files = {file.path: file.rules.lines for file in rules.files}
    assert host_files == {empty: ()}
    assert f"{VENDOR}/2.rules" in rules.hidden


@pytest.mark.parametrize("path", [f"{ETC}/1.rules", f"{VENDOR}/9.rules"])
@pytest.mark.parametrize("why", [Why.DENIED, Why.FAILED, Why.TIMED_OUT])
def test_what_cannot_be_read_is_said(path: str, why: Why) -> None:
    rules = read(hosts.build({path: Missing(path, why)}))
    assert [missing.source for missing in rules.unreadable] == [path]


def test_a_folder_that_cannot_be_listed_is_said() -> None:
    host = hosts.build({f"{VENDOR}/9.rules": RULE})
    host.capture.lists[ETC] = hosts.denied(ETC)
    assert [missing.source for missing in read(host).unreadable] == [ETC]


@for_each(
    ("text", "touches"),
    [
        ('SUBSYSTEM=="kvmfr"', True),
        ('KERNEL=="*", MODE="0666"', True),
        ('KERNEL=="?*"', True),
        ('KERNEL=="sd*|kv*"', True),
        ('SUBSYSTEMS == "[a-z]*"', True),
        ('KERNEL==i"KV*"', True),
        ('KERNEL=="kvm", MODE="0666"', False),
        ('KERNEL=="kvm_stat*"', False),
        ('KERNEL=="sd*", SUBSYSTEM=="block"', False),
        ("KERNEL", False),
        ("", False),
    ],
)
def test_which_files_are_parsed(text: str, touches: bool) -> None:
    assert touches_kvmfr(text) is touches


SHARED = "libsystemd-shared-{}.so"
VERSION = ("systemctl", "--version")


@for_each(
    ("path", "version"),
    [
        ("/usr/lib/systemd/libsystemd-shared-258.1-1.fc43.so", Systemd(258, 1)),
        ("/usr/lib64/systemd/libsystemd-shared-257.so", Systemd(257)),
        ("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so", Systemd(252)),
        ("/usr/lib/systemd/libsystemd-core-260.so", Systemd(255, 4)),
        ("/usr/lib/systemd/libsystemd-shared-x.so", Systemd(255, 4)),
    ],
)
def test_systemd_version(path: str, version: Systemd) -> None:
    answer = hosts.ran(VERSION, "systemd 255 (255.4-1ubuntu8)\n+PAM\n")
    host = hosts.build({path: b""}, commands={VERSION: answer})
    assert Facts(host)[SystemdVersion].version == version


@for_each(
    ("named", "stdout", "version"),
    [
        ("258", "systemd 258 (258.10-1.fc43)\n", Systemd(258, 10)),
        ("258.2-1", "systemd 258 (258.10-1.fc43)\n", Systemd(258, 2)),
        ("259", "systemd 258 (258.10-1.fc43)\n", Systemd(259)),
        ("259", "", Systemd(259)),
    ],
)
def test_the_point_release_is_asked_for_where_it_decides(
    named: str, stdout: str, version: Systemd
) -> None:
    path = f"/usr/lib/systemd/{SHARED.format(named)}"
    host = hosts.build({path: b""}, commands={VERSION: hosts.ran(VERSION, stdout)})
    assert Facts(host)[SystemdVersion].version == version


def test_hidden_files_are_not_read() -> None:
    folder = "/etc/udev/rules.d"
    text = 'SUBSYSTEM=="kvmfr", MODE="0666"\n'
    host = hosts.build({f"{folder}/.99.rules": text, f"{folder}/70.rules": text})
    found = Facts(host)[UdevRules]
    assert [file.path for file in found.files] == [f"{folder}/70.rules"]
    assert found.unread == ((f"{folder}/.99.rules", text),)


@for_each("stdout", ["", "runit 2", "systemd", "systemd x"])
def test_no_systemd_is_unknown(stdout: str) -> None:
    host = hosts.build({}, commands={VERSION: hosts.ran(VERSION, stdout)})
    with pytest.raises(MissingFact):
        Facts(host)[SystemdVersion]
    with pytest.raises(MissingFact):
        Facts(hosts.build({}))[SystemdVersion]
