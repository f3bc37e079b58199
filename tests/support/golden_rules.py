"""The rules that whole reports are shown with: later ones change no golden."""

from __future__ import annotations

from vfio_doctor.diagnosis.registry import Registry, load

# What later rules find is shown on their pages in docs/rules/.
RULES = (
    "arguments-for-another-loader",
    "cpu-virtualization-off",
    "grub-file-broken",
    "interrupt-remapping-off",
    "iommu-argument-without-effect",
    "iommu-disabled-by-argument",
    "iommu-firmware-off",
    "iommu-off",
    "kvm-device-missing",
    "kvm-msrs-not-ignored",
    "kvm-reports-ignored-msrs",
    "kvm-unusable",
    "kvmfr-apparmor-denies",
    "kvmfr-client-elsewhere",
    "kvmfr-device-owner",
    "kvmfr-group-unknown",
    "kvmfr-module-missing",
    "kvmfr-module-not-loaded",
    "kvmfr-module-rejected",
    "kvmfr-no-device",
    "kvmfr-no-libvirt",
    "kvmfr-node-not-a-device",
    "kvmfr-not-in-device-list",
    "kvmfr-not-loaded-at-boot",
    "kvmfr-rule-owner",
    "kvmfr-rule-too-late",
    "kvmfr-selinux-label",
    "kvmfr-vm-mapping",
    "kvmfr-vm-virtiofs",
    "libvirt-account-missing",
    "libvirt-conf-refused",
    "libvirt-daemon-off",
    "libvirt-daemons-doubled",
    "libvirt-list-without-kvm",
    "libvirt-shared-memory-closed",
    "reboot-pending",
    "vfio-amd-reset",
    "vfio-boot-card",
    "vfio-cannot-reset",
    "vfio-device-busy",
    "vfio-device-gone",
    "vfio-device-lost",
    "vfio-direct-region",
    "vfio-display-lost",
    "vfio-group-shared",
    "vfio-huge-pages",
    "vfio-ids-match-nothing",
    "vfio-memory-limit",
    "vfio-module-blacklisted",
    "vfio-node-closed",
    "vfio-not-bound",
    "vfio-physical-function",
    "vfio-script-idle",
    "vfio-session-vm",
    "vfio-setting-unread",
    "vfio-stuck-in-d3",
    "vfio-virqfd-merged",
    "vm-definition-faulty",
)


def golden_registry() -> Registry:
    registry = load()
    checks = tuple(check for check in registry.checks if check.id in RULES)
    return registry._replace(checks=checks)
