"""Made from the classes by `scripts/documents --write`."""

# ruff: noqa: E501
# fmt: off

CHECKS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ('libvirt-account-missing', 'The account that libvirt starts QEMU with does not exist', 'ERROR', ()),
    ('libvirt-conf-refused', 'libvirt cannot read qemu.conf', 'ERROR', ()),
    ('libvirt-daemon-off', "Nothing starts libvirt's daemon", 'ERROR', ('libvirt-account-missing', 'libvirt-conf-refused')),
    ('libvirt-daemons-doubled', "Both of libvirt's daemons for QEMU are enabled", 'WARNING', ()),
    ('libvirt-devices-hidden', "libvirt may not see the host's devices", 'ERROR', ()),
    ('libvirt-list-incomplete', "libvirt's list of devices lacks what QEMU relies on", 'WARNING', ('libvirt-conf-refused', 'libvirt-list-without-kvm')),
    ('libvirt-list-without-kvm', "libvirt's list of devices lacks /dev/kvm", 'ERROR', ('libvirt-conf-refused',)),
    ('libvirt-profile-refused', 'AppArmor refuses the profiles of virtual machines', 'ERROR', ('libvirt-conf-refused',)),
    ('libvirt-shared-memory-closed', 'The shared memory of Looking Glass is closed to you or QEMU', 'ERROR', ('libvirt-account-missing', 'libvirt-conf-refused')),
)
