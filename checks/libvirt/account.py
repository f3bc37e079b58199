"""Check of the account that libvirt starts QEMU with."""

from __future__ import annotations

from vfio_doctor.api import (
    QEMU_ACCOUNT,
    Actor,
    Check,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    Init,
    Iterator,
    LibvirtIntent,
    QemuAccount,
    QemuConf,
    Severity,
    say,
)

ANY = say("libvirt-account-any", "libvirt-qemu or qemu")
ABSENT = say("libvirt-account-absent", "in no account file, and not known elsewhere")
EXISTS = say("libvirt-account-exists", "an account of this host")
NO_USER = say(
    "libvirt-account-no-user",
    "libvirt is to start QEMU as the user {name}, and this host has no such account: no"
    " VM starts.",
)
NO_USUAL = say(
    "libvirt-account-no-usual",
    "This host has none of the accounts that libvirt starts QEMU with: no VM starts.",
)
NO_GROUP = say(
    "libvirt-account-no-group",
    "libvirt is to start QEMU with the group {name}, and this host has no such group:"
    " no VM starts.",
)
NAME_ANOTHER = say(
    "libvirt-account-name-another",
    "Put the name of an account that exists into {place}, or delete that line: then"
    " libvirt takes its own. Then restart libvirt's daemon.",
)
CREATE = say(
    "libvirt-account-create",
    "The account comes with libvirt's or QEMU's package. Run `sudo systemd-sysusers`,"
    " which makes the accounts that installed packages ask for, and see whether"
    " `getent passwd {name}` prints it; if not, install the package again. On an"
    " image-based system that is the image's work: update or rebase, and report it.",
)


CREATE_OTHERWISE = say(
    "libvirt-account-create-otherwise",
    "The account comes with libvirt's or QEMU's package: install it again, and see"
    " whether `getent passwd {name}` prints it.",
)


class LibvirtAccountMissing(Check):
    """The account that libvirt starts QEMU with does not exist.

    What it does:
    Looks up the user and the group of qemu.conf, or those that its sample shows as
    this libvirt's own, in the account files and in the name service.

    Why is this bad?
    The daemon runs, but its QEMU driver cannot be set up: virt-manager shows no
    connection or no VM starts ("Failed to parse user 'qemu'"). Rules for device nodes
    that name this account have no effect either. It happens after an image was
    rebased to one without QEMU's packages, or if the account was never made.

    How it is repaired:
    By hand: systemd-sysusers makes the accounts that installed packages ask for. On
    an image-based system the image has to bring the account.

    See it yourself:
        grep -E '^#?(user|group) =' /etc/libvirt/qemu.conf
        getent passwd qemu libvirt-qemu

    False alarms:
    None are known. An account of another service (LDAP, systemd-homed) is asked for
    with getent; a number counts as an account. Virtual machines of the user session
    (qemu:///session) run as yourself, and need none.
    """

    id = "libvirt-account-missing"
    severity = Severity.ERROR
    title = "The account that libvirt starts QEMU with does not exist"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding for the user, and one for the group."""
        facts[LibvirtIntent].demand()
        facts[QemuConf].demand()
        account = facts[QemuAccount]
        place = FilePlace(account.path, account.line)
        advice = NAME_ANOTHER.filled(place=str(place))
        name = account.user or ANY
        if not account.user_exists:
            message = NO_USER.filled(name=name) if account.user else NO_USUAL
            create = CREATE if facts[Init].systemd else CREATE_OTHERWISE
            wanted = create.filled(name=account.user or "qemu")
            rows = [
                Evidence(str(place), name, EXISTS),
                Evidence(QEMU_ACCOUNT, ABSENT, EXISTS),
            ]
            said = bool(account.line) and account.user not in ("qemu", "libvirt-qemu")
            chosen = advice if said else wanted
            yield Finding(place, message, tuple(rows), None, chosen, Actor.USER)
        elif not account.group_exists:
            rows = [Evidence(str(place), account.group, EXISTS)]
            message = NO_GROUP.filled(name=account.group)
            yield Finding(place, message, tuple(rows), None, advice, Actor.USER)
