"""Lints of files of the host that a definition names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.vm_host import HostFiles
from vfio_doctor.lints.hostdev import FIRST, present
from vfio_doctor.lints.lint import QEMU, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.pci import is_vfio_driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.devices import PciDevice
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_tree import Element

FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
EMULATOR = "/usr/bin/qemu-system-x86_64"


class LoaderMissing(Lint):
    """The firmware that the VM boots with is not on this host.

    Packages of OVMF have moved and renamed their files more than once, and each
    distribution has its own paths.

    How to put it right:
    Let libvirt choose: <os firmware='efi'> without <loader>; or write the path
    that there is.

    False alarms:
    None known.
    """

    id = "vm-loader-missing"
    number = "X27"
    severity = Severity.ERROR
    forms = QEMU
    title = "The VM's firmware file is not there"
    right = FIRMWARE
    wrong = "/usr/share/edk2/x64/OVMF_CODE.fd"
    reads_host = True

    ABSENT = say("vm-loader-absent", "This host has no {path}: the VM does not start.")
    WRITE = say("vm-loader-write", "Write the path of this host's OVMF.")
    CHOOSE = say(
        "vm-loader-choose",
        "Write the path of this host's OVMF, or <os firmware='efi'> without <loader>.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the firmware, and for what its variables start from."""
        for loader in vm.domain.all("os/loader"):
            yield from self._absent(loader, loader.text.strip(), "", facts, vm)
        for nvram in vm.domain.all("os/nvram"):
            own = nvram.text.strip()
            # The template is only read while there is no file of the VM's own.
            if own.startswith("/") and facts[HostFiles].stat(own) is None:
                template = nvram.get("template")
                yield from self._absent(nvram, template, "template", facts, vm)

    def _absent(
        self, one: Element, path: str, where: str, facts: Facts, vm: Definition
    ) -> Iterator[Found]:
        if path.startswith("/") and facts[HostFiles].stat(path) is None:
            advice = self.CHOOSE if vm.is_xml else self.WRITE
            yield Found(one, self.ABSENT.filled(path=path), advice, where)


class EmulatorMissing(Lint):
    """The QEMU that the definition names is not on this host.

    Definitions that were made on another distribution name its path.

    How to put it right:
    Write this host's path, or take <emulator> out: libvirt finds QEMU by itself.

    False alarms:
    None known.
    """

    id = "vm-emulator-missing"
    number = "X50"
    severity = Severity.ERROR
    title = "The VM's QEMU is not there"
    vm_only = True
    right = EMULATOR
    wrong = "/usr/libexec/qemu-kvm"
    reads_host = True

    ABSENT = say(
        "vm-emulator-absent", "This host has no {path}: the VM does not start."
    )
    REMOVE = say(
        "vm-emulator-remove",
        "Write the path of this host's QEMU, or take <emulator> out.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the file."""
        for one in vm.domain.all("devices/emulator"):
            path = one.text.strip()
            if path.startswith("/") and facts[HostFiles].stat(path) is None:
                yield Found(one, self.ABSENT.filled(path=path), self.REMOVE)


class IommufdMissing(Lint):
    """The VM asks for iommufd, which this host does not offer.

    iommufd is a newer way to hand devices to a VM. It needs /dev/iommu, from the
    module iommufd, and a node in /dev/vfio/devices for each device, which only kernels
    with CONFIG_VFIO_DEVICE_CDEV make. libvirt before 12.1 does not know the word, and
    drops it without saying so.

    How to put it right:
    Load iommufd, or take iommufd='yes' out: the old way works as well.

    False alarms:
    None known.
    """

    id = "vm-iommufd-missing"
    number = "X47"
    severity = Severity.ERROR
    title = "The VM asks for iommufd, and there is none"
    right = FIRST + "\n      </source>"
    wrong = FIRST + "\n      </source>\n      <driver iommufd='yes'/>"
    reads_host = True

    NONE = say("vm-iommufd-none", "This host has no /dev/iommu: the VM does not start.")
    LOAD = say("vm-iommufd-load", "Run `modprobe iommufd`, or take it out.")
    NO_NODE = say(
        "vm-iommufd-no-node",
        "{address} is on {driver}, and this kernel made no node in /dev/vfio/devices"
        " for it: the VM does not start.",
    )
    TAKE_OUT = say("vm-iommufd-take-out", "Take it out: the old way works as well.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look for the nodes if one device asks for it."""
        for one, attribute in self._asked(vm):
            if facts[HostFiles].stat("/dev/iommu") is None:
                yield Found(one, self.NONE, self.LOAD, attribute)
                continue
            for device in self._without_node(vm, one, facts):
                message = self.NO_NODE.filled(address=device.bdf, driver=device.driver)
                yield Found(one, message, self.TAKE_OUT, attribute)

    def _asked(self, vm: Definition) -> Iterator[tuple[Element, str]]:
        for one in vm.domain.all("devices/hostdev/driver"):
            if one.get("iommufd") == "yes":
                yield one, "iommufd"
        for one in vm.domain.all("iommufd"):
            if one.get("enabled") == "yes":
                yield one, "enabled"

    def _without_node(
        self, vm: Definition, asked: Element, facts: Facts
    ) -> Iterator[PciDevice]:
        for hostdev, device in present(vm, facts):
            if asked.parent is not hostdev.element or not is_vfio_driver(device.driver):
                continue
            folder = f"/sys/bus/pci/devices/{device.bdf}/vfio-dev"
            if facts[HostFiles].stat(folder) is None:
                yield device
