"""What NixOS does in place of editing files: advice by the id of what it replaces.

Rules give advice for systems whose files a person may edit. NixOS makes them from its
configuration, and has no boot tool but its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import Message

if TYPE_CHECKING:
    from vfio_doctor.messages import Value

INSTEAD = {
    "iommu-add-argument": say(
        "nixos-iommu-add-argument",
        "In configuration.nix, add intel_iommu=on to `boot.kernelParams`, then run"
        " `sudo nixos-rebuild boot` and reboot.",
    ),
    "argument-iommu-off-fix": say(
        "nixos-argument-iommu-off-fix",
        "In configuration.nix, take {word} out of `boot.kernelParams`, then run"
        " `sudo nixos-rebuild boot` and reboot.",
    ),
    "msrs-silence-next": say(
        "nixos-msrs-silence-next",
        "In configuration.nix, add kvm.report_ignored_msrs=0 to `boot.kernelParams`,"
        " then run `sudo nixos-rebuild boot` and reboot.",
    ),
    "msrs-silence-now": say(
        "nixos-msrs-silence-now",
        "Run `echo N | sudo tee /sys/module/kvm/parameters/report_ignored_msrs`; for"
        " every boot, add kvm.report_ignored_msrs=0 to `boot.kernelParams` in"
        " configuration.nix and run `sudo nixos-rebuild boot`.",
    ),
    "kvmfr-rule-remove-line": say(
        "nixos-kvmfr-rule-remove-line",
        "In configuration.nix, take the line out of `services.udev.extraRules`, or"
        " out of the package in `services.udev.packages` that brings it, then run `sudo"
        " nixos-rebuild switch`.",
    ),
    "kvmfr-apparmor-add": say(
        "nixos-kvmfr-apparmor-add",
        'In configuration.nix, set `security.apparmor.includes."local/abstractions/'
        'libvirt-qemu" = "{path} rw,";`,'
        " run `sudo nixos-rebuild switch`, and start the VM anew.",
    ),
    "kvmfr-apparmor-no-hook": say(
        "nixos-kvmfr-apparmor-no-hook",
        'In configuration.nix, set `security.apparmor.includes."local/abstractions/'
        'libvirt-qemu" = "{path} rw,";`,'
        " run `sudo nixos-rebuild switch`, and start the VM anew.",
    ),
    "libvirt-profile-create": say(
        "nixos-libvirt-profile-create",
        'In configuration.nix, set `security.apparmor.includes."local/abstractions/'
        'libvirt-qemu" = "";`, run `sudo nixos-rebuild switch`, and start the VM.',
    ),
    "libvirt-profile-finish": say(
        "nixos-libvirt-profile-finish",
        "In configuration.nix, put a comma behind `{rule}` in"
        " `security.apparmor.includes`, run `sudo nixos-rebuild switch`, and start the"
        " VM.",
    ),
    "kvmfr-no-libvirt-install": say(
        "nixos-kvmfr-no-libvirt-install",
        "In configuration.nix, set `virtualisation.libvirtd.enable = true;`, then run"
        " `sudo nixos-rebuild switch`.",
    ),
    "libvirt-daemon-enable": say(
        "nixos-libvirt-daemon-enable",
        "In configuration.nix, set `virtualisation.libvirtd.enable = true;`, then run"
        " `sudo nixos-rebuild switch`.",
    ),
    "libvirt-daemon-unmask": say(
        "nixos-libvirt-daemon-unmask",
        "If it was not masked on purpose, take out of configuration.nix what masks"
        " {units}, set `virtualisation.libvirtd.enable = true;`, and run `sudo"
        " nixos-rebuild switch`.",
    ),
    "libvirt-daemons-keep-one": say(
        "nixos-libvirt-daemons-keep-one",
        "Shut the VMs down, and leave one of the two to configuration.nix: take out"
        " what enables {old} or {new}, then run `sudo nixos-rebuild switch`.",
    ),
    "vfio-amd-reset-install": say(
        "nixos-vfio-amd-reset-install",
        "If the card does not work a second time, add config.boot.kernelPackages"
        ".vendor-reset to `boot.extraModulePackages` and vendor-reset to"
        " `boot.kernelModules` in configuration.nix, and have a rule in"
        " `services.udev.extraRules` write `device_specific` to {path}. It does not"
        " build on every new kernel.",
    ),
    "vfio-busy-by-ids": say(
        "nixos-vfio-busy-by-ids",
        "Have vfio-pci take the card at boot, before anybody opens it: in"
        " configuration.nix, add vfio-pci.ids={ids} to `boot.kernelParams` and"
        " vfio_pci to `boot.initrd.kernelModules`, in front of {driver}; then run"
        " `sudo nixos-rebuild boot` and reboot.",
    ),
    "vfio-not-bound-softdep": say(
        "nixos-vfio-not-bound-softdep",
        "{driver} came first. In configuration.nix, name vfio_pci in"
        " `boot.initrd.kernelModules`, in front of {module}, then run `sudo"
        " nixos-rebuild boot` and reboot.",
    ),
    "vfio-not-bound-image-unseen": say(
        "nixos-vfio-not-bound-image-unseen",
        "Whether the present initramfs does so is not known.",
    ),
    "vfio-setting-write": say(
        "nixos-vfio-setting-write",
        "In configuration.nix, set"
        ' `boot.extraModprobeConfig = "options vfio-pci ids=...";`, then run `sudo'
        " nixos-rebuild boot` and reboot. Take care which ids you write: they stand for"
        " every device of the same model.",
    ),
    "vfio-power-keep-awake": say(
        "nixos-vfio-power-keep-awake",
        "Keep idle devices awake: add vfio-pci.disable_idle_d3=1 to"
        " `boot.kernelParams` in configuration.nix and run `sudo nixos-rebuild boot`."
        " Then switch the computer off and on: a reboot may not wake the device.",
    ),
    "vfio-module-take-out": say(
        "nixos-vfio-module-take-out",
        "In configuration.nix, take it out of `boot.blacklistedKernelModules`, then run"
        " `sudo nixos-rebuild boot` and reboot.",
    ),
    "vfio-node-open-it": say(
        "nixos-vfio-node-open-it",
        'In configuration.nix, add `SUBSYSTEM=="misc", KERNEL=="vfio", MODE="0666"` to'
        " `services.udev.extraRules`, and run `sudo nixos-rebuild switch`. The node"
        " alone gives nobody a device. Look for the rule, or the script, that has"
        " closed it.",
    ),
    "vfio-virqfd-drop": say(
        "nixos-vfio-virqfd-drop",
        "In configuration.nix, take vfio_virqfd out of `boot.initrd.kernelModules` and"
        " `boot.kernelModules`, then run `sudo nixos-rebuild boot`.",
    ),
}


def on_nixos(advice: Message) -> Message:
    """Return the advice with every sentence that edits files replaced."""
    values = {name: _replaced(value) for name, value in advice.params}
    other = INSTEAD.get(advice.id)
    if other is None:
        return advice.filled(**values)
    held = {k: v for k, v in values.items() if f"{{{k}}}" in other.template}
    return other.filled(**held)


def _replaced(value: Value) -> Value:
    if isinstance(value, Message):
        return on_nixos(value)
    if isinstance(value, tuple):
        return tuple(on_nixos(v) if isinstance(v, Message) else v for v in value)
    return value
