"""Made from the classes by `scripts/documents --write`."""

# ruff: noqa: E501
# fmt: off

CHECKS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ('kvmfr-apparmor-denies', 'AppArmor keeps virtual machines from the kvmfr device', 'ERROR', ('kvmfr-not-in-device-list', 'libvirt-list-without-kvm', 'libvirt-profile-refused')),
    ('kvmfr-client-elsewhere', 'The Looking Glass client opens memory that no VM shares', 'WARNING', ('kvmfr-vm-mapping',)),
    ('kvmfr-device-owner', 'A kvmfr device is not open to the right accounts', 'ERROR', ('kvmfr-group-unknown', 'kvmfr-node-not-a-device', 'kvmfr-rule-owner', 'kvmfr-rule-too-late')),
    ('kvmfr-group-unknown', 'The kvmfr udev rule names an unknown or refused group', 'ERROR', ('libvirt-account-missing',)),
    ('kvmfr-module-missing', 'The kvmfr module is not installed for this kernel', 'ERROR', ()),
    ('kvmfr-module-not-loaded', 'The kvmfr module is not loaded', 'ERROR', ('kvmfr-module-rejected',)),
    ('kvmfr-module-rejected', 'The kernel refuses the kvmfr module', 'ERROR', ('kvmfr-module-missing',)),
    ('kvmfr-no-device', 'kvmfr has no usable device', 'ERROR', ('kvmfr-module-not-loaded',)),
    ('kvmfr-no-libvirt', 'A VM maps kvmfr, and libvirt or QEMU is not installed', 'ERROR', ('kvmfr-vm-mapping', 'kvmfr-vm-virtiofs')),
    ('kvmfr-node-not-a-device', '/dev/kvmfr0 is not the kvmfr device', 'ERROR', ()),
    ('kvmfr-not-in-device-list', "libvirt's list of devices lacks the kvmfr device", 'ERROR', ('kvmfr-device-owner', 'kvmfr-no-device', 'libvirt-account-missing', 'libvirt-conf-refused', 'libvirt-daemon-off')),
    ('kvmfr-not-loaded-at-boot', 'Nothing loads kvmfr at boot', 'WARNING', ('kvmfr-module-missing',)),
    ('kvmfr-rule-owner', 'The kvmfr udev rule names the wrong user', 'ERROR', ('libvirt-account-missing',)),
    ('kvmfr-rule-too-late', 'The kvmfr udev rule is read too late to let you in', 'WARNING', ()),
    ('kvmfr-selinux-label', 'The kvmfr device has a type that SELinux closes to VMs', 'ERROR', ('kvmfr-not-in-device-list', 'libvirt-list-without-kvm')),
    ('kvmfr-vm-mapping', 'What the VM maps does not fit its kvmfr device', 'ERROR', ('kvmfr-apparmor-denies', 'kvmfr-selinux-label')),
    ('kvmfr-vm-virtiofs', 'A VM has both kvmfr memory and a virtiofs share', 'ERROR', ('kvmfr-apparmor-denies', 'kvmfr-selinux-label')),
)
