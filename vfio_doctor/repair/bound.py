"""What became of the cards that a set-up has bound, since the reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.pci.recorded_groups import RecordedGroups
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.pci import is_vfio_driver
from vfio_doctor.repair.lasting import Lasting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.parse.recorded_groups import RecordedGroup

DEVICES = "/sys/bus/pci/devices"
MODULE = "/sys/module/vfio_pci"
ON_DRIVER = say("bound-on-driver", "{device} is on {driver}")
NOT_ON_DRIVER = say("bound-not-on-driver", "{device} on vfio-pci")
DRIVER_HAS_IT = say("bound-other-driver", "{driver} has it")
NO_DRIVER = say("bound-no-driver", "it has no driver")
NO_DEVICE = say("bound-no-device", "the device is not there")
LOADED = say("bound-module", "the module vfio_pci is loaded")
THE_MODULE = say("bound-the-module", "the module vfio_pci")
NOT_LOADED = say("bound-no-module", "it is not loaded, nor built in")
IN_GROUP = say("bound-in-group", "{device} is in IOMMU group {group}")
GROUP_OF = say("bound-group-of", "the IOMMU group of {device}")
NO_GROUP = say("bound-no-group", "it has no group: the IOMMU is off")
OTHER_MEMBERS = say(
    "bound-other-members",
    "at set-up its group held {before}, and now it holds {now}",
)
NODE = say("bound-node", "the node {path}")
NO_NODE = say("bound-no-node", "it is not there")


def bound(host: Reader) -> tuple[Lasting, ...]:
    """Say of each recorded function: its driver, its group, and the group's node."""
    try:
        groups = Facts(host)[RecordedGroups].groups
    except MissingFact:
        return ()
    if not groups:
        return ()
    loaded = not isinstance(host.lstat(MODULE), Missing)
    module = Lasting(LOADED, True) if loaded else Lasting(THE_MODULE, False, NOT_LOADED)
    found = [told for one in groups for told in _function(one, host)]
    return (module, *dict.fromkeys(found))


def _function(one: RecordedGroup, host: Reader) -> Iterator[Lasting]:
    text = read_text(host, f"{DEVICES}/{one.address}/uevent")
    if isinstance(text, Missing):
        what = NOT_ON_DRIVER.filled(device=one.address)
        yield Lasting(what, False, NO_DEVICE)
        return
    lines = (line.partition("=") for line in text.splitlines())
    driver = next((value for key, _, value in lines if key == "DRIVER"), "")
    yield _driver(one.address, driver)
    link = host.readlink(f"{DEVICES}/{one.address}/iommu_group")
    number = "" if isinstance(link, Missing) else link.rpartition("/")[2]
    yield _group(one, number, host)
    if number and is_vfio_driver(driver):
        path = f"/dev/vfio/{number}"
        there = not isinstance(host.lstat(path), Missing)
        yield Lasting(NODE.filled(path=path), there, None if there else NO_NODE)


def _driver(device: str, driver: str) -> Lasting:
    if is_vfio_driver(driver):
        return Lasting(ON_DRIVER.filled(device=device, driver=driver), True)
    why: Message = DRIVER_HAS_IT.filled(driver=driver) if driver else NO_DRIVER
    return Lasting(NOT_ON_DRIVER.filled(device=device), False, why)


def _group(one: RecordedGroup, number: str, host: Reader) -> Lasting:
    """Numbers may change from boot to boot; what matters is who shares the group."""
    shown = number or ("-" if one.group is None else str(one.group))
    what = IN_GROUP.filled(device=one.address, group=shown)
    lost = GROUP_OF.filled(device=one.address)
    if not number:
        return Lasting(lost, False, NO_GROUP)
    held = host.list(f"/sys/kernel/iommu_groups/{number}/devices")
    if isinstance(held, Missing) or one.group is None:
        return Lasting(what, True)
    if set(held) == set(one.members):
        return Lasting(what, True)
    why = OTHER_MEMBERS.filled(before=one.members, now=tuple(sorted(held)))
    return Lasting(lost, False, why)
