"""More of what `planting` fills in: all that says what is meant for a VM.

What builds initramfs images, libvirt's and Proxmox's configuration, mounts, routes and
swap, units, confinement: with a private word wherever a value may stand.
"""

from __future__ import annotations

_UNIT = """\
# {}
[Unit]
Description={} of {}
[{}]
[Service]
User={}
Environment="{}={}"
LimitMEMLOCK={}
PrivateDevices={}
ProtectKernelModules={}
CapabilityBoundingSet=CAP_{} ~{}
ExecStart=/usr/local/bin/{} --token {}
"""
_SCRIPT = """\
#!/bin/sh
# by {} <{}@{}>
{}={}
echo {} > /sys/bus/pci/devices/0000:01:00.0/driver_override
echo vfio-pci > /sys/bus/pci/devices/{}/driver_override
curl -u {}:{} https://{}/{} ; echo {} > /sys/{}/nr_hugepages
modprobe -i vfio-pci {}
"""
_SHELL = """\
# {}
{}="{}"
MODULES=(vfio_pci {} vfio)
HOOKS=(base {} modconf)
FILES=(/etc/{}/{} "/{}")
BINARIES=({})
force_drivers+=" vfio_pci {} "
add_drivers+=" {} "
install_items+=" /etc/{}.key "
source /etc/{}
"""
_HOOK = (
    "#!/bin/sh\n# {}\ncopy_exec /usr/local/bin/{}.sh /{}\nadd_file {}\n{} vfio_pci\n"
)
_PROXMOX = """\
#{} on {}
args: -device {},secret={} -fw_cfg name=opt/{},string={}
boot: order={}
description: {}
hostpci0: 0000:01:00,romfile={}.bin,pcie=1
hostpci1: mapping={},{}={}
hostpci2: {};0000:02:00.0
ide2: {}:iso/{}.iso,media=cdrom
machine: {}
memory: {}
cpu: host,{}={}
hugepages: {}
name: {}
net0: virtio={},bridge={},tag={}
scsi0: {}:vm-100-{},size=32G,serial={}
smbios1: uuid={},serial={}
sshkeys: {}
{}: {}
[{}]
parent: {}
hostpci3: {}
"""
_MOUNTS = """\
/dev/mapper/{}-{} / ext4 rw 0 0
/dev/sda1:/dev/{} /{} bcachefs rw 0 0
/dev/nvme0n1p2 /mnt/{} {} rw,subvol=/{} 0 0
/dev/disk/by-id/{} /home/{} xfs rw 0 0
{}/ROOT/{} /srv/{} zfs rw 0 0
{}.example.org:/{} /home/{} nfs4 rw,addr={} 0 0
//{}/{} / cifs rw,username={},password={} 0 0
{}@{}:/{} /usr ceph rw,name={} 0 0
"""
_ROUTES = """\
Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t{}
{}\t00000000\t0101A8C0\t0003\t0\t0\t{}\t00000000\t0
eth0\t{}\t{}\t0003\t0\t0\t0\t{}\t0
wl-{}\t00000000\t{}\t{}\t0\t0\t0\t00000000\t0
"""
_SYSFS = """\
# {}
bus/pci/devices/0000:01:00.0/driver_override = {}
bus/pci/devices/{}/driver_override = vfio-pci
class/{}/{} = {}
mode {} = 0600
owner {} = {}
"""
MORE_FILES: dict[str, str] = {
    "/etc/mkinitcpio.conf.d/{}.conf": _SHELL,
    "/usr/lib/dracut/dracut.conf.d/{}-vfio.conf": _SHELL,
    "/etc/dracut.conf": _SHELL,
    "/etc/booster.yaml": """\
# {} of {}
network:
  dhcp: {}
modules: {},nvme
modules_force_load: vfio_pci, {} # {}
extra_files: /etc/{}/{}
""",
    "/etc/conf.d/modules": '# {}\nmodules="vfio {}"\nmodule_kvmfr_args="{}={}"\n'
    'modules_6_1="{}"\n{}="{}"\n',
    "/etc/selinux/config": "# {}\nSELINUX={}\nSELINUXTYPE={}\n{}={}\n",
    "/etc/initramfs-tools/modules": "# {}\nvfio_pci {}={}\n{}\noptions {} {}\n",
    "/etc/modules": "# {}\n{}\nkvmfr {}={}\n",
    "/etc/initramfs-tools/hooks/{}": _HOOK,
    "/etc/initcpio/install/{}": _HOOK,
    "/usr/lib/dracut/modules.d/90{}/module-setup.sh": _HOOK,
    "/etc/initramfs-tools/scripts/init-top/{}": _SCRIPT,
    "/etc/initcpio/hooks/{}": _SCRIPT,
    "/etc/libvirt/hooks/qemu": _SCRIPT,
    "/etc/libvirt/hooks/qemu.d/{}/prepare/begin/{}.sh": _SCRIPT,
    "/usr/local/bin/{}-vfio.sh": _SCRIPT,
    "/proc/mounts": _MOUNTS,
    "/proc/swaps": "Filename {}\n/dev/mapper/{}-swap partition 1 0 {}\n"
    "/{}/swapfile file 1 0 -2\n/dev/{} partition {} 0 -2\n",
    "/proc/net/route": _ROUTES,
    "/etc/pve/qemu-server/100.conf": _PROXMOX,
    "/var/lib/vfio-doctor/groups": (
        "0000:01:00.0 10de:2482 7 0000:01:00.0,{}\n0000:01:00.1 {} 7 -\n"
        "{} 10de:2482 {} -\n"
    ),
    "/etc/pve/mapping/pci.cfg": "{}\n\tdescription {}\n\tmap id={}:{},node={},"
    "path=0000:01:00.0;{}\n\t{}=0000:02:00\n",
    "/boot/config/vfio-pci.cfg": "BIND={}|{} 0000:01:00.0|{}\n{}={}\n",
    "/etc/systemd/system/libvirtd.service.d/{}.conf": _UNIT,
    "/etc/systemd/system/{}.service": _UNIT,
    "/usr/lib/systemd/system/virtqemud.service": _UNIT,
    "/etc/driverctl.d/0000:01:00.0": "{}\n",
    "/etc/driverctl.d/{}": "vfio-pci\n",
    "/etc/sysfs.conf": _SYSFS,
    "/etc/sysfs.d/{}.conf": _SYSFS,
    "/etc/sysctl.d/{}.conf": "# {}\nvm.nr_hugepages = {}\nkernel.hostname = {}\n"
    "{}={}\n",
    "/etc/sysctl.conf": "kernel.domainname = {}\nvm.nr_overcommit_hugepages={}\n",
    "/var/lib/libvirt/qemu.conf": 'user = "{}"\nnvram = [ "/{}" ]\n{} = {}\n',
    "/etc/apparmor.d/abstractions/libvirt-qemu.d/{}": "# {}\n/dev/{} rw,\n/{}/** r,\n",
    "/etc/apparmor.d/local/abstractions/libvirt-qemu": "/home/{}/** rw, # {}\n",
    "/etc/apparmor.d/libvirt/libvirt-{}": "profile {} flags=({}) {\n/{} r,\n}\n",
    "/sys/kernel/security/apparmor/profiles": "{} (enforce)\nlibvirt-{} ({})\n",
    "/etc/selinux/targeted/contexts/files/file_contexts.local": "/dev/{} -c"
    " system_u:object_r:{}_t:s0\n",
    "/var/lib/selinux/targeted/active/modules/400/{}/cil": "(allow {} {})\n",
    "/boot/syslinux/syslinux.cfg": "label {}\n  menu label {}\n  kernel /{}\n"
    "  append {}={} initrd=/{} vfio-pci.ids={}\n",
    "/boot/refind_linux.conf": '"{}" "root={} {}={}"\n',
    "/etc/limine-entry-tool.d/{}.conf": 'KERNEL_CMDLINE[default]+=" {}={}"\n',
    "/nix/var/nix/profiles/system/kernel-params": "{}={} init=/nix/store/{}-{}/init\n",
    "/etc/cmdline.d/{}.conf": "# {}\n{}={} {}\n",
    "/sys/class/drm/card0-DP-1/status": "{}\n",
    "/sys/kernel/iommu_groups/7/type": "{}\n",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "{}\n",
    # A plain number is the register's.
    "/sys/class/iommu/dmar0/intel-iommu/ecap": "{} of {}\n",
    "/sys/class/iommu/ivhd0/amd-iommu/features": "{}:{}\n",
    "/sys/devices/system/cpu/online": "0-{}\n",
    "/sys/class/kvmfr/kvmfr0/dev": "{}\n",
    "/lib/modules/6.1.0/pkgbase": "{}\n",
    "/lib/modules/6.1.0/modules.builtin": "kernel/{}/kvm.ko\nkernel/{}.ko\n",
    "/etc/hostname": "{}\n",
}
MORE_STATS = (
    *("/sys/class/block/{}", "/sys/class/net/{}", "/sys/class/leds/{}::capslock"),
    *("/dev/disk/by-label/{}", "/sys/fs/btrfs/{}/devices/{}", "/etc/systemd/user/{}"),
    *("/boot/initrd.img-{}", "/efi/EFI/Linux/{}.efi", "/sys/bus/pci/drivers/{}"),
)
MORE_LISTED = (
    *("/sys/class/block", "/sys/class/net", "/sys/class/leds", "/sys/fs/btrfs"),
    *("/etc/libvirt/hooks/qemu.d", "/etc/pve/qemu-server", "/etc/systemd/system"),
    *("/sys/class/block/dm-0/slaves", "/etc/driverctl.d", "/etc/sysfs.d"),
    *("/var/lib/selinux/targeted/active/modules/400", "/etc/apparmor.d/libvirt"),
)
