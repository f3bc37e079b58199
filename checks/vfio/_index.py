"""Made from the classes by `scripts/documents --write`."""

# ruff: noqa: E501
# fmt: off

CHECKS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ('vfio-acs-override-idle', 'pcie_acs_override does nothing on this kernel', 'WARNING', ()),
    ('vfio-amd-reset', 'An AMD card lacks vendor-reset and may work only once', 'WARNING', ()),
    ('vfio-boot-card', 'The firmware draws on the card meant for a VM', 'WARNING', ()),
    ('vfio-cannot-reset', 'A device for a VM cannot be reset by itself', 'WARNING', ()),
    ('vfio-device-busy', 'The host uses a device that is to be given away', 'WARNING', ()),
    ('vfio-device-gone', 'A VM is given a device that is not there', 'WARNING', ()),
    ('vfio-device-lost', 'A device for a VM does not answer any more', 'ERROR', ()),
    ('vfio-direct-region', 'The firmware keeps memory of a device for a VM', 'ERROR', ('iommu-off',)),
    ('vfio-display-lost', 'No graphics card is left for the host', 'WARNING', ()),
    ('vfio-group-shared', 'A device for a VM shares its group with the host', 'ERROR', ('iommu-off',)),
    ('vfio-groups-moved', 'PCI addresses or IOMMU groups have changed since set-up', 'WARNING', ()),
    ('vfio-host-dma-refused', 'The IOMMU has blocked a device that the host uses', 'INFO', ()),
    ('vfio-huge-pages', 'A VM asks for huge pages that are not reserved', 'ERROR', ()),
    ('vfio-ids-match-nothing', 'Ids given to vfio-pci stand for no device', 'WARNING', ()),
    ('vfio-ids-overridden', 'A list of ids for vfio-pci is overridden by a later one', 'WARNING', ()),
    ('vfio-kernel-regression', 'The kernel is known for a fault at passthrough', 'INFO', ()),
    ('vfio-memory-limit', 'QEMU may not lock the memory that a VM needs', 'ERROR', ()),
    ('vfio-memory-taken', 'The memory of a device for a VM is taken', 'WARNING', ()),
    ('vfio-module-blacklisted', 'The module vfio-pci is blacklisted', 'ERROR', ()),
    ('vfio-modules-hidden', "libvirt may not see the kernel's modules", 'ERROR', ()),
    ('vfio-no-group', 'A device for a VM has no IOMMU group', 'ERROR', ('iommu-off',)),
    ('vfio-no-iommu-mode', "VFIO's no-IOMMU mode is on", 'WARNING', ()),
    ('vfio-no-room', 'There is no room for the memory of a device for a VM', 'WARNING', ()),
    ('vfio-node-closed', 'QEMU may not open /dev/vfio/vfio', 'ERROR', ('libvirt-account-missing',)),
    ('vfio-not-bound', 'A device for a VM is not on vfio-pci', 'ERROR', ('iommu-off',)),
    ('vfio-physical-function', 'A device with virtual functions is to be given away itself', 'ERROR', ()),
    ('vfio-script-idle', "The script that binds the guest's card does not run", 'ERROR', ()),
    ('vfio-session-vm', "A VM with a device belongs to libvirt's user session", 'WARNING', ()),
    ('vfio-setting-unread', 'A setting of vfio-pci is read by nothing', 'WARNING', ()),
    ('vfio-stuck-in-d3', 'A device for a VM does not wake up', 'ERROR', ()),
    ('vfio-unsafe-interrupts', 'Unsafe interrupts are allowed, and need not be', 'INFO', ('iommu-off',)),
    ('vfio-virqfd-merged', 'A file names a VFIO module that no longer exists', 'INFO', ()),
)
