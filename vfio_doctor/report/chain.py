"""The way from the kvmfr module to the VM, link by link, with the broken one marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import CheckResult, Severity, Status
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.model import Message, Report
    from vfio_doctor.report.page import Page

HEADING = say("chain-heading", "From the module to the picture")
HEADERS = (
    say("chain-link", "Link"),
    say("chain-state", "State"),
    say("chain-why", "Why"),
)
IN_ORDER = say("chain-in-order", "in order")
BROKEN = say("chain-broken", "BROKEN")
DOUBTFUL = say("chain-doubtful", "works, but see above")
WAITS = say("chain-waits", "waits")
UNSEEN = say("chain-unseen", "could not be seen")
APART = say("chain-apart", "does not apply")
NOT_LOOKED_AT = say("chain-not-looked-at", "not looked at")
CLIENT = say("chain-client", "the guest")
CLIENT_WHY = say("chain-client-why", "only the guest knows what it draws")
LINKS = (
    (
        say("chain-module", "the module for this kernel"),
        ("kvmfr-module-missing", "kvmfr-module-rejected"),
    ),
    (
        say("chain-loaded", "loaded, now and at boot"),
        ("kvmfr-module-not-loaded", "kvmfr-not-loaded-at-boot"),
    ),
    (say("chain-size", "a device of the right size"), ("kvmfr-no-device",)),
    (say("chain-node", "its node in /dev"), ("kvmfr-node-not-a-device",)),
    (
        say("chain-account", "QEMU's account"),
        ("libvirt-account-missing", "kvmfr-group-unknown"),
    ),
    (
        say("chain-person", "open for you and for QEMU"),
        ("kvmfr-rule-owner", "kvmfr-rule-too-late", "kvmfr-device-owner"),
    ),
    (
        say("chain-daemon", "libvirt's settings and daemon"),
        ("libvirt-conf-refused", "libvirt-daemon-off", "libvirt-daemons-doubled"),
    ),
    (
        say("chain-list", "libvirt's list of devices"),
        ("libvirt-list-without-kvm", "kvmfr-not-in-device-list"),
    ),
    (
        say("chain-confinement", "AppArmor and SELinux"),
        ("libvirt-profile-refused", "kvmfr-apparmor-denies", "kvmfr-selinux-label"),
    ),
    (
        say("chain-vm", "what the VM maps"),
        ("kvmfr-vm-mapping", "kvmfr-vm-virtiofs"),
    ),
    (say("chain-programs", "libvirt and QEMU"), ("kvmfr-no-libvirt",)),
    (say("chain-settings", "the client's settings"), ("kvmfr-client-elsewhere",)),
)
# What a link's checks say together: the first of these that one of them says.
FIRST = (Status.FAIL, Status.ERROR, Status.UNKNOWN, Status.BLOCKED, Status.PASS)


class Link(NamedTuple):
    """One link: what it is, how it stands, and why if it does not hold."""

    name: Message
    state: Message
    why: str | Message


def links(report: Report) -> tuple[Link, ...]:
    """Return the chain; () if nobody wants kvmfr, or not all of it was judged."""
    held = {result.id: result for result in report.checks}
    wanted = [r for r in report.checks if r.id.startswith("kvmfr-")]
    if all(result.status is Status.NOT_APPLICABLE for result in wanted):
        return ()
    found = [
        _link(name, [held[check] for check in ids if check in held])
        for name, ids in LINKS
        if any(check in held for check in ids)
    ]
    if len(found) < len(LINKS):
        return ()
    return (*found, Link(CLIENT, NOT_LOOKED_AT, CLIENT_WHY))


def _link(name: Message, results: list[CheckResult]) -> Link:
    for status in FIRST:
        for result in results:
            if result.status is status and not _is_note(result):
                return Link(name, *_state(result))
    if any(_is_note(result) for result in results):
        return Link(name, IN_ORDER, "")
    return Link(name, APART, results[0].reason or "")


def _is_note(result: CheckResult) -> bool:
    """Tell whether a check found only what is worth knowing."""
    found = [diagnosis.severity for diagnosis in result.diagnoses]
    return result.status is Status.FAIL and all(s is Severity.INFO for s in found)


def _state(result: CheckResult) -> tuple[Message, str | Message]:
    if result.status is Status.FAIL:
        worst = max(diagnosis.severity for diagnosis in result.diagnoses)
        return (BROKEN if worst is Severity.ERROR else DOUBTFUL), result.id
    if result.status is Status.PASS:
        return IN_ORDER, ""
    if result.status is Status.BLOCKED:
        return WAITS, ", ".join(result.blocked_by)
    return UNSEEN, result.reason or result.id


def draw(report: Report, page: Page) -> None:
    """Add the chain to a page, if there is one."""
    found = links(report)
    if found:
        page.heading(HEADING)
        page.table(tuple(map(str, HEADERS)), _rows(found))


def _rows(found: tuple[Link, ...]) -> Iterator[tuple[str | Message, ...]]:
    for link in found:
        yield link.name, link.state, link.why
