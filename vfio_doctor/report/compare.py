"""What differs between two hosts, or one host at two times."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.pci import PciDevices
from vfio_doctor.host.reader import Missing
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Report

STATUS = ("rpm-ostree", "status", "--json")
BOOTC = ("bootc", "status", "--format", "json")
ABSENT = "-"
# A section that one side does not know is not compared.
Snapshot = dict[str, dict[str, str]]


class Difference(NamedTuple):
    """One thing that is not the same; ``-`` stands for "not there"."""

    section: str
    name: str
    old: str
    new: str


def of_host(host: Reader, facts: Facts, report: Report) -> Snapshot:
    """Return all that is compared of a host."""
    from vfio_doctor.report import json

    shot = of_document(json.document(report))
    digest = _digest(host)
    if digest:
        shot["image"] = {"digest": digest}
    for section, words in _words(facts):
        shot[section] = words
    with suppress(MissingFact):
        shot["devices"] = {
            device.bdf: f"{device.ids}, driver {device.driver or 'none'}, "
            f"group {'none' if device.group is None else device.group}"
            for device in facts[PciDevices].devices
        }
    return shot


def _words(facts: Facts) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        yield "arguments now", _counted(facts[KernelCmdline].line.words)
        following = facts[BootArguments].next
    except MissingFact:
        return
    if not isinstance(following, Missing):
        yield "arguments at the next boot", _counted(following.words)


def _counted(words: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        found[word] = "there" if word not in found else "there, more than once"
    return found


def of_document(document: dict[str, Any]) -> Snapshot:
    """Return what of it a report (``--format json``) holds.

    Raises ValueError for JSON that is no report of vfio-doctor.
    """
    try:
        boot, host = document["boot"], document["host"]
        names = ("os", "image", "kernel", "machine", "cpu", "container", "user")
        return {
            "system": {name: str(host[name]) for name in names}
            | {"boot": str(boot["stack"]), "doctor": str(document["tool"]["version"])},
            "arguments now": _counted(tuple(str(boot["now"]).split())),
            "arguments at the next boot": _counted(tuple(str(boot["next"]).split())),
            "verdicts": {str(c["id"]): str(c["status"]) for c in document["checks"]},
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("neither a capture nor a report of vfio-doctor") from error


def differences(old: Snapshot, new: Snapshot) -> Iterator[Difference]:
    """Yield what differs, section by section, by name."""
    for section in old:
        before, after = old[section], new.get(section)
        for name in sorted(before | after) if after is not None else ():
            pair = before.get(name, ABSENT), (after or {}).get(name, ABSENT)
            if pair[0] != pair[1]:
                yield Difference(section, name, *pair)


def _digest(host: Reader) -> str:
    """Return the booted image's digest, or its commit; "" where none is known."""
    for argv in (STATUS, BOOTC):
        answer = host.run(argv)
        if isinstance(answer, Missing) or answer.status != 0:
            continue
        found = _booted(answer.stdout)
        if found:
            return found
    return ""


def _booted(text: str) -> str:
    import json

    try:
        held = json.loads(text)
        if "deployments" in held:
            booted = next(d for d in held["deployments"] if d.get("booted"))
            digest = booted.get("container-image-reference-digest")
            return str(digest or booted.get("checksum") or "")
        return str(held["status"]["booted"]["image"]["imageDigest"])
    except (
        ValueError,
        LookupError,
        TypeError,
        StopIteration,
        AttributeError,
        RecursionError,
    ):
        return ""
