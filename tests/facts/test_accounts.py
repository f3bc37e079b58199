from __future__ import annotations

import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.facts.accounts import Accounts, ActiveSeat, HumanUser
from vfio_doctor.facts.base import Facts, MissingFact, Options
from vfio_doctor.facts.qemu_user import QemuUser
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Caller

ALICE = "alice:x:1000:1000::/home/alice:/bin/bash\n"
PASSWD = f"root:x:0:0::/root:/bin/sh\n{ALICE}bob:x:1001:1001::/home/bob:/bin/sh\n"
GROUP = "root:x:0:\nkvm:x:36:qemu,alice\nwheel:x:10:alice\nalice:x:1000:\n"
SEAT = "/run/systemd/seats/seat0"
CONF = "/etc/libvirt/qemu.conf"
ROOT = Caller(0)
CAROL = ("getent", "passwd", "60001")


def host(**files: str) -> CapturedHost:
    base = {"/etc/passwd": PASSWD, "/etc/group": GROUP}
    return hosts.build({**base, **files}, caller=ROOT)


def seat(uid: str) -> dict[str, str]:
    return {SEAT: f"# private\nIS_SEAT0=1\nACTIVE=2\nACTIVE_UID={uid}\n"}


@for_each(
    ("caller", "files", "user", "want"),
    [
        pytest.param(Caller(1001, 1000, 0), {}, "", ("alice", "sudo"), id="sudo"),
        pytest.param(Caller(0, 0, 1001), {}, "", ("bob", "pkexec"), id="sudo-by-root"),
        pytest.param(Caller(1000), {}, "", ("alice", "started"), id="own-uid"),
        pytest.param(ROOT, seat("1001"), "", ("bob", "seat0"), id="seat"),
        pytest.param(
            Caller(0, 1000), seat("1001"), "bob", ("bob", "--user"), id="user"
        ),
        pytest.param(ROOT, {}, "1001", ("bob", "--user"), id="user-by-number"),
        pytest.param(ROOT, seat("42"), "", None, id="greeter"),
        pytest.param(ROOT, seat("60578"), "", None, id="dynamic-greeter"),
        pytest.param(ROOT, seat("0"), "", None, id="root-at-the-screen"),
        pytest.param(ROOT, seat("x"), "", None, id="seat-file-odd"),
        pytest.param(ROOT, {}, "", None, id="nobody"),
        pytest.param(Caller(1000), {}, "root", None, id="user-root"),
        pytest.param(Caller(1000), {}, "eve", None, id="user-unknown"),
        pytest.param(Caller(1005), {}, "", None, id="uid-without-account"),
        pytest.param(Caller(0, 0), {}, "", None, id="sudo-uid-0"),
    ],
)
def test_who_runs_the_vm(
    caller: Caller, files: dict[str, str], user: str, want: tuple[str, str] | None
) -> None:
    facts = Facts(hosts.changed(host(**files), caller=caller), Options(user=user))
    if want is None:
        with pytest.raises(MissingFact, match="--user"):
            facts[HumanUser]
        return
    human = facts[HumanUser]
    assert human.name == want[0]
    assert want[1] in str(human.how)
    assert human.uid != 0


def test_groups_of_the_user() -> None:
    facts = Facts(hosts.changed(host(), caller=Caller(1000)))
    assert facts[HumanUser].gids == (10, 36, 1000)


def test_an_account_that_only_the_name_service_knows() -> None:
    line = "carol:x:60001:60001::/home/carol:/bin/sh\n"
    homed = hosts.changed(
        host(), commands={CAROL: hosts.ran(CAROL, line)}, caller=Caller(60001)
    )
    assert Facts(homed)[HumanUser].name == "carol"
    unknown = hosts.changed(homed, commands={CAROL: hosts.ran(CAROL, "", 2)})
    with pytest.raises(MissingFact):
        Facts(unknown)[HumanUser]


def test_image_accounts_come_after_those_of_etc() -> None:
    facts = Facts(
        host(
            **{
                "/usr/lib/passwd": "qemu:x:107:107::/:/x\nalice:x:5:5::/:/x\n",
                "/usr/lib/group": "qemu:x:107:\n",
            }
        )
    )
    accounts = facts[Accounts]
    qemu, alice, group = (
        accounts.user("qemu"),
        accounts.user("alice"),
        accounts.group("qemu"),
    )
    assert qemu
    assert alice
    assert group
    assert (qemu.source, alice.uid, group.gid) == ("/usr/lib/passwd", 1000, 107)
    assert accounts.user_by_uid(77) is None
    assert accounts.group_by_gid(77) is None
    assert accounts.gids("qemu", 107) == (36, 107)


@for_each("path", ["/etc/passwd", "/etc/group", "/usr/lib/passwd"])
def test_accounts_that_cannot_be_read_are_unknown(path: str) -> None:
    shut = hosts.changed(host(), files={path: hosts.denied(path)})
    with pytest.raises(MissingFact, match=path):
        Facts(shut)[Accounts]


@pytest.mark.parametrize(
    ("text", "uid"),
    [("ACTIVE_UID=1000\n", 1000), ("X=1\n", -1), (f"ACTIVE_UID={1000:<012}\n", -1)],
)
def test_active_seat(text: str, uid: int) -> None:
    assert Facts(host(**{SEAT: text}))[ActiveSeat].uid == uid


def test_no_seat_file_is_unknown() -> None:
    with pytest.raises(MissingFact):
        Facts(host())[ActiveSeat]


FEDORA = "qemu:x:107:107::/:/sbin/nologin\n"
DEBIAN = "libvirt-qemu:x:64055:36::/var/lib/libvirt:/usr/sbin/nologin\n"


@for_each(
    ("passwd", "conf", "want"),
    [
        pytest.param(FEDORA, "", ("qemu", (36, 107), True), id="fedora"),
        pytest.param(FEDORA, None, ("qemu", (36, 107), True), id="no-file"),
        pytest.param(
            FEDORA, '#user = "qemu"\n', ("qemu", (36, 107), False), id="shown-default"
        ),
        pytest.param(DEBIAN, "", ("libvirt-qemu", (36,), True), id="debian"),
        pytest.param(
            FEDORA,
            'user = "alice"\ngroup = "kvm"\n',
            ("alice", (10, 36, 1000), False),
            id="own-user",
        ),
        pytest.param(
            FEDORA, 'user = "root"\ngroup = "root"', ("root", (0,), False), id="root"
        ),
        pytest.param(
            FEDORA, 'user = "+0"\ngroup = "+0"', ("root", (0,), False), id="+0"
        ),
        pytest.param(FEDORA, 'user = "0"', ("root", (0,), False), id="0"),
        pytest.param(
            FEDORA, 'user = "+1234"\ngroup="+77"', ("1234", (77,), False), id="numbers"
        ),
        pytest.param(FEDORA, 'user = "gone"', None, id="user-unknown"),
        pytest.param("", "", None, id="no-libvirt"),
    ],
)
def test_qemu_account(
    passwd: str, conf: str | None, want: tuple[str, tuple[int, ...], bool] | None
) -> None:
    files = {"/etc/passwd": PASSWD + passwd, "/etc/group": GROUP + "qemu:x:107:\n"}
    facts = Facts(host(**files, **({CONF: conf} if conf is not None else {})))
    if want is None:
        with pytest.raises(MissingFact):
            facts[QemuUser]
        return
    qemu = facts[QemuUser]
    assert (qemu.name, qemu.gids, qemu.assumed) == want


def test_a_closed_qemu_conf_makes_the_account_assumed() -> None:
    shut = hosts.changed(
        host(**{"/etc/passwd": PASSWD + FEDORA}), files={CONF: hosts.denied(CONF)}
    )
    qemu = Facts(shut)[QemuUser]
    assert (qemu.name, qemu.assumed) == ("qemu", True)
    assert "denied" in str(qemu.source)
