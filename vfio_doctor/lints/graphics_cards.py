"""Lints of graphics cards that a VM gets: screens, resets, ROMs, chipset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import known
from vfio_doctor.facts.pci.needs import HostNeeds
from vfio_doctor.facts.vm_host import HostFiles
from vfio_doctor.lints.definition import has_uefi
from vfio_doctor.lints.hostdev import FIRST, present
from vfio_doctor.lints.lint import EVERY, PROXMOX, Found, Lint
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse import option_rom
from vfio_doctor.parse.pci import is_vfio_driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.lints.definition import Definition
    from vfio_doctor.parse.xml_tree import Element

SYSFS = "/sys/bus/pci/devices"
NVIDIA = "10de"
WITH_ROM = (
    FIRST + "\n      </source>\n      <rom file='/var/lib/libvirt/vbios/gpu.rom'/>"
)
MOST_OF_ROM = 16 << 20


class CardDrawsHere(Lint):
    """The VM takes the card that the host's screen is on.

    With managed='yes' libvirt takes the card from its driver when the VM starts. The
    desktop dies with it, or the driver does not let go and the command hangs.

    How to put it right:
    Connect the host's monitor to another card, and bind this one to vfio-pci at
    boot; or end the desktop in a hook first.

    False alarms:
    A hook that ends the desktop and hands the only card over on purpose.
    """

    id = "vm-hostdev-screen"
    number = "X22"
    severity = Severity.WARNING
    forms = PROXMOX
    title = "The VM takes the card of the host's screen"
    right = ""
    wrong = ""
    reads_host = True

    DRAWS = say(
        "vm-hostdev-draws", "{address} is on {driver} and the host uses it: {why}."
    )
    OTHER = say(
        "vm-hostdev-other-screen",
        "Connect the host's monitor to another card and bind this one to vfio-pci at"
        " boot.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Ask what the host needs a display for."""
        for hostdev, device in present(vm, facts):
            if not device.is_display or not device.driver:
                continue
            if is_vfio_driver(device.driver):
                continue
            for need in facts[HostNeeds].of(device.bdf)[:1]:
                message = self.DRAWS.filled(
                    address=device.bdf, driver=device.driver, why=need.why
                )
                yield Found(hostdev.source, message, self.OTHER)


class NoReset(Lint):
    """The card has no way to be reset.

    A card that cannot be reset works in a VM once; the second start, or a reboot of the
    guest, needs a reboot of the host.

    How to put it right:
    For some AMD cards the module vendor-reset adds one; otherwise reboot the host.

    False alarms:
    None known: the kernel itself lists the ways.
    """

    id = "vm-hostdev-no-reset"
    number = "X23"
    severity = Severity.WARNING
    forms = EVERY
    title = "The card cannot be reset"
    right = ""
    wrong = ""
    reads_host = True

    NONE = say("vm-hostdev-reset-none", "{address} has no reset method in {path}.")
    REBOOT = say(
        "vm-hostdev-reset-reboot",
        "Expect to reboot the host between two starts of the VM; for some AMD cards the"
        " module vendor-reset helps.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Read the file that the kernel lists reset methods in (from 5.15 on)."""
        for hostdev, device in present(vm, facts):
            if not device.is_display:
                continue
            files, path = facts[HostFiles], f"{SYSFS}/{device.bdf}/reset_method"
            if files.stat(path) is None and files.stat(f"{SYSFS}/{device.bdf}/reset"):
                continue
            if not files.text(path).strip():
                message = self.NONE.filled(address=device.bdf, path=path)
                yield Found(hostdev.source, message, self.REBOOT)


class RomFile(Lint):
    """The ROM file of a device is missing, empty, or no ROM.

    QEMU stops if it cannot read the file. A ROM begins with the bytes 55 AA; a file
    from a vendor's updater has a header before them that has to be cut off.

    How to put it right:
    Write the path of a good ROM, or take <rom file=.../> out: most cards need none.

    False alarms:
    A file on a disk that is mounted only when the VM is started.
    """

    id = "vm-rom-file"
    number = "X24"
    severity = Severity.ERROR
    forms = EVERY
    title = "The ROM file cannot be used"
    right = FIRST + "\n      </source>"
    wrong = WITH_ROM
    reads_host = True
    vm_only = True

    ABSENT = say("vm-rom-absent", "This host has no {path}: the VM does not start.")
    EMPTY = say("vm-rom-empty", "{path} is empty.")
    NO_ROM = say("vm-rom-no-rom", "{path} does not begin with 55 AA: it is no ROM.")
    WRITE = say(
        "vm-rom-write", "Write the path of a good ROM, or take the ROM file out."
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at the file that each <rom> names."""
        for one in vm.devices:
            rom = one.first("rom")
            path = rom.get("file") if rom else ""
            if rom is None or not path.startswith("/"):
                continue
            held = facts[HostFiles].stat(path)
            if held is None:
                message = self.ABSENT.filled(path=path)
            elif held.size == 0:
                message = self.EMPTY.filled(path=path)
            elif facts[HostFiles].head(path) != b"\x55\xaa":
                message = self.NO_ROM.filled(path=path)
            else:
                continue
            yield Found(rom, message, self.WRITE, "file")


class RomOfOtherFirmware(Lint):
    """The ROM file is for another firmware than the one that the VM boots with.

    A ROM holds programs for the old BIOS, for UEFI, or both. OVMF runs only those for
    UEFI, SeaBIOS only the old ones: without its own the card shows nothing until the
    guest's driver starts, and the guest's firmware and boot menu stay black.

    How to put it right:
    Give the VM the firmware that the ROM is for, or take a ROM of the same card that
    has both.

    False alarms:
    A card whose picture is wanted only once the guest's driver runs.
    """

    id = "vm-rom-other-firmware"
    number = "X27"
    severity = Severity.WARNING
    forms = PROXMOX
    context = ((FIRST + "\n      </source>", WITH_ROM),)
    title = "The ROM file is not for the VM's firmware"
    right = ""
    wrong = ""
    reads_host = True
    vm_only = True

    NO_UEFI = say(
        "vm-rom-no-uefi",
        "{path} has no program for UEFI, which this VM boots with: the card stays black"
        " until the guest's driver starts.",
    )
    ONLY_UEFI = say(
        "vm-rom-only-uefi",
        "{path} has a program for UEFI only, and this VM boots with SeaBIOS: the card"
        " stays black until the guest's driver starts.",
    )
    TAKE = say("vm-rom-take-both", "Take a ROM of the same card that has both.")
    BOOT = say("vm-rom-boot-uefi", "Make the VM one with UEFI (OVMF).")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Read the ROM of each display; what is no ROM is another lint's."""
        for hostdev, device in present(vm, facts):
            rom = hostdev.element.first("rom")
            path = rom.get("file") if rom else ""
            if rom is None or not device.is_display or not path.startswith("/"):
                continue
            if facts[HostFiles].stat(path) is None:
                continue
            kinds = option_rom.kinds(facts[HostFiles].head(path, MOST_OF_ROM))
            uefi = has_uefi(vm.domain)
            if kinds == {option_rom.BIOS} and uefi:
                yield Found(rom, self.NO_UEFI.filled(path=path), self.TAKE, "file")
            elif kinds == {option_rom.UEFI} and not uefi:
                yield Found(rom, self.ONLY_UEFI.filled(path=path), self.BOOT, "file")


class BootCardWithoutRom(Lint):
    """The card that the firmware draws on is passed without a ROM file.

    The firmware has run the card's ROM at boot, and the copy that it left may be
    changed: some cards stay black in the VM.

    How to put it right:
    If the screen stays black, dump the ROM while another card is the first, or take one
    for exactly this card, and name it in <rom file='...'/>.

    False alarms:
    Many newer cards do without.
    """

    id = "vm-boot-card-no-rom"
    number = "X25"
    severity = Severity.INFO
    forms = EVERY
    title = "The boot card is passed without a ROM file"
    right = ""
    wrong = ""
    reads_host = True

    NO_ROM = say(
        "vm-boot-card-without",
        "The firmware has drawn on {address} at boot: without a ROM file some such"
        " cards"
        " stay black in a VM.",
    )
    DUMP = say("vm-boot-card-dump", "If the screen stays black, give it a ROM file.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Leave a card that a host's driver has to another lint."""
        for hostdev, device in present(vm, facts):
            if not device.is_display or not is_vfio_driver(device.driver):
                continue
            rom = hostdev.element.first("rom")
            if known(device.boot_vga) and not (rom and rom.get("file")):
                message = self.NO_ROM.filled(address=device.bdf)
                yield Found(hostdev.source, message, self.DUMP)


class RomHidden(Lint):
    """The ROM file of a device is kept from the guest.

    <rom bar='off'/> takes the ROM out of what the guest sees of the device. SeaBIOS is
    handed a file all the same; UEFI and the guest's drivers look for it on the device,
    and find none, as if no file had been named. With enabled='no' there is no ROM at
    all, and libvirt refuses a file beside it: "ROM tuning is not supported when ROM is
    disabled".

    How to put it right:
    Take bar='off' (or enabled='no') out if the guest is to have the ROM, or the file if
    it is not.

    False alarms:
    A file that was left there to be used again later.
    """

    id = "vm-rom-hidden"
    number = "X24"
    severity = Severity.WARNING
    forms = EVERY
    title = "The ROM file is kept from the guest"
    context = ((FIRST + "\n      </source>", WITH_ROM),)
    right = "<rom file="
    wrong = "<rom bar='off' file="
    vm_only = True

    OFF = say(
        "vm-rom-bar-off",
        "With the ROM's bar off, UEFI and the guest's drivers find no ROM on the"
        " device: {path} has no effect.",
    )
    DISABLED = say(
        "vm-rom-disabled",
        "enabled='no' leaves the device without a ROM, and libvirt refuses {name}"
        " beside it.",
    )
    SHOW = say("vm-rom-show", "Take bar='off' out, or the file.")
    SHOW_QEMU = say("vm-rom-show-qemu", "Take rombar=0 out, or romfile.")
    ENABLE = say("vm-rom-enable", "Take enabled='no' out, or {name}.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Go by the text; SeaBIOS runs a file with its bar off."""
        uefi = has_uefi(vm.domain)
        for one in vm.devices:
            rom = one.first("rom")
            if rom is None:
                continue
            path = rom.get("file")
            told = [name for name in ("file", "bar") if name in rom.attributes]
            if rom.get("enabled") == "no" and told:
                message = self.DISABLED.filled(name=told[0])
                advice = self.ENABLE.filled(name=told[0])
                yield Found(rom, message, advice, "enabled", Severity.ERROR)
            elif path and rom.get("bar") == "off" and uefi:
                advice = self.SHOW if vm.is_xml else self.SHOW_QEMU
                yield Found(rom, self.OFF.filled(path=path), advice, "bar")


class CardWithoutRom(Lint):
    """The ROM of a graphics card is kept from the guest.

    With <rom bar='off'/> or <rom enabled='no'/> the guest finds no ROM on the card: its
    firmware cannot draw on it, so that the screen stays black until the guest's driver
    starts. Some drivers, such as AMD's, do not start without the card's ROM.

    How to put it right:
    Take the element out if the card stays black.

    False alarms:
    Cards whose ROM hangs the guest's firmware: their owners switch it off on purpose.
    """

    id = "vm-card-rom-off"
    number = "X24"
    severity = Severity.INFO
    forms = EVERY
    title = "The graphics card's ROM is kept from the guest"
    right = FIRST + "\n      </source>"
    wrong = FIRST + "\n      </source>\n      <rom bar='off'/>"
    reads_host = True

    OFF = say(
        "vm-card-rom-is-off",
        "The guest finds no ROM on the graphics card {address}: the screen stays black"
        " until its driver starts, and some drivers need the ROM.",
    )
    TAKE_OUT = say("vm-card-rom-take-out", "If it stays black, take <rom> out.")
    TAKE_OUT_QEMU = say(
        "vm-card-rom-take-out-qemu", "If it stays black, take rombar=0 out."
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Ask of displays; one with a file is another lint's."""
        off = [one for one in vm.hostdevs if _is_off(one.element.first("rom"))]
        for hostdev, device in present(vm, facts) if off else ():
            if hostdev in off and device.is_display:
                message = self.OFF.filled(address=device.bdf)
                rom = hostdev.element.first("rom")
                advice = self.TAKE_OUT if vm.is_xml else self.TAKE_OUT_QEMU
                yield Found(rom or hostdev.source, message, advice)


def _is_off(rom: Element | None) -> bool:
    # A redacted definition may hide what the file is, and not that there is one.
    return rom is not None and rom.attributes in ({"bar": "off"}, {"enabled": "no"})


class OldChipset(Lint):
    """A graphics card is passed to a VM of the old i440fx chipset.

    i440fx has no PCI Express: drivers of newer cards see a card on plain PCI, and some
    refuse to start.

    How to put it right:
    Make a new VM with q35; the chipset of an installed one is hard to change.

    False alarms:
    Old guests that need i440fx.
    """

    id = "vm-chipset-i440fx"
    number = "X26"
    severity = Severity.WARNING
    forms = EVERY
    title = "A graphics card on the i440fx chipset"
    right = "machine='pc-q35-9.0'"
    wrong = "machine='pc-i440fx-9.0'"
    reads_host = True

    OLD = say(
        "vm-chipset-old",
        "{machine} has no PCI Express, and the VM gets the graphics card {address}.",
    )
    NEW = say("vm-chipset-new", "Use q35 for a new VM.")

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Look at the machine type if a display is passed."""
        kind = vm.domain.first("os/type")
        # Without one libvirt takes QEMU's own first choice.
        default = "pc" if kind and kind.get("arch", "x86_64") == "x86_64" else ""
        machine = (kind.get("machine") or default) if kind else ""
        if kind is None or not (machine == "pc" or machine.startswith("pc-i440fx")):
            return
        cards = [d.bdf for _, d in present(vm, facts) if d.is_display]
        if cards:
            message = self.OLD.filled(machine=machine, address=cards[0])
            yield Found(kind, message, self.NEW, "machine")


class NotHidden(Lint):
    """The hypervisor is not hidden from an NVIDIA driver.

    NVIDIA's Windows drivers before 465 (2021) refuse to work in a VM: code 43. Newer
    ones do not mind.

    How to put it right:
    For an old driver: <kvm><hidden state='on'/></kvm>, and a <vendor_id> of your own.

    False alarms:
    Every guest with a driver from 465 on.
    """

    id = "vm-kvm-not-hidden"
    number = "X32"
    severity = Severity.INFO
    title = "KVM is not hidden from an NVIDIA driver"
    right = "<hidden state='on'/>"
    wrong = "<hidden state='off'/>"
    reads_host = True

    SEEN = say(
        "vm-kvm-seen",
        "{address} is an NVIDIA card and KVM is not hidden: drivers older than 465 say"
        " code 43.",
    )
    HIDE = say(
        "vm-kvm-hide",
        "Only for such drivers: <kvm><hidden state='on'/></kvm> in <features>.",
    )

    def judge(self, vm: Definition, facts: Facts) -> Iterator[Found]:
        """Say it of the first NVIDIA display."""
        hidden = vm.domain.first("features/kvm/hidden")
        if hidden is not None and hidden.get("state") == "on":
            return
        for hostdev, device in present(vm, facts):
            if device.is_display and device.vendor == NVIDIA:
                message = self.SEEN.filled(address=device.bdf)
                yield Found(hidden or hostdev.source, message, self.HIDE)
                return
