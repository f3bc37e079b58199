"""Words that a diagnosis, the capture format or any host may use for themselves.

A person, a host or a VM may be called like one of them. Such a name says little
about anybody, and replacing it everywhere would change what the host means: it is
replaced only where it can be nothing but a name.
"""

from __future__ import annotations

# tests/host/test_secrets.py holds this against what the readers ask for.
_TEXT = """
a absent accelerator access account accounts acl acpi action active add address adm
administrator advice ahci alias all allowdac amd amdgpu amdiommu and anonymous any api
apic append applicability arch archive args argument argv as ascii asked asrock ast asus
ata attr attrs audio aurora authenticamd auto backslashreplace backup base bazzite be
bin biomerge blacklist block blocked bluefin board boot bootc bootctl booted boottype
bridge browser btrfs builtin bus bytes c03 c05 c80 ca cachyos calgary called capture
captured captureerror captures card case centos cf cfg cgroup char check checks checksum
class client cmdline command commands comment commented communication composefs conf
confidentiality config configuration connected console const container containerenv
control controller cpu cpuinfo create current d2 daemon data database db dbus debian
decode default definition delete dell denied dep deploy deployment deployments
deployserial deprecated detail detected dev device device_node devices devname devpath
did directive directory disable disk display distrobox dkms dmar dmesg dmi dnsmasq
docker dockerenv doctor dracut drhd drive driver drivers drm dsdt duration eacces
earlycon ecap ecs efi efivars ei elif else enable enabled encryption endeavouros enforce
entries entry env eperm error escape esp etc eval evidence exec exists exit expected
export ext4 extra facp fail failed false family fedora fifo file filename finding
findings firmware fix flags flatpak flavor folder for force forcedac forcesac format
found from from_database fullflush function games gentoo getent gid gigabyte glass gnu
goto graphics group groups grp grub grub2 grubby grubenv guest hda hdrcharset helper
here hewlett hid holds home hook hooks host hostname hp hugepages hugepagesz
hygongenuine hypervisor i915 id ide ids ie if igfx ignore ignored image immou imommu
import in include incompatible info ini initcall initialization initialized initramfs
input install installed integrity intel inteliommu intelligent interrupt interrupted
interrupts intgpu invalid invalidation io iommo iommu iommuu iomu ir irtcachedis is isa
isolation it item its ivmd ivrs json kargs kernel kernelopts kernels kernelstub key kind
kinoite ko kubepods kubernetes kvm kvmfr kvmfr0 label lang last late lc le leak left
lenovo lib lib64 libpod libsystemd libvirt libvirtd like limine line lines link linkpath
linux linux16 linuxbrew linuxefi list lists little load loader loaderentrydefault
loaderentrylastbooted loaderentryoneshot loaderentryselected loaderinfo local
localdomain localhost lockdown looking lp lstat luks lv lvm lxc machine mail major man
manager manifest manjaro manual mask mb md mdev media memaper member members meminfo
memory menuentry merge message method mib micro microsoft minor mint misc miscellaneous
missing mkconfig mkinitcpio mnt mode model modelled modes modinfo modprobe module
modules modversions mokutil more msi msrs mtime multimedia n name names network news
next nix nixos no noagp noaperture nobara nobody nobounce nodac node noforce nofullflush
nogroup nohugepages noiommu nomerge none nopanic nopt not not-applicable nothing nouveau
now nspawn null nvidia nvme obj observed of off on only opened opensuse operator opt
option options or os osname osrelease ostree other out ovmf owner pack packard pair
panic parameter parameters params parent parm pasid28 pass passwd path pc pci pgsizes
pgtbl physical pinned pkexec pkgbase plan platform podman polkit pop port posix post
power pre prefix pretty probe probes proc processing processor product profiles program
properties proxy pt pwd q35 qemu quiet quote qxl radeon raid random rb rd rdev read
readme realsize reason reboot redacted reference release remapping remember remove
renamed render replace report reset result results rhgb risky ro rocky rollback
rollbackqueued root rpm rpm-ostree rule rules run runtime rw safe sas sata save saved sb
sbin schema schily script scsi sd seat seat0 seats seclabel secureboot security selinux
serial session set settings several severities severity share shared shm short sig
signal signer silverblue simpledrm size sizes slice sm smbus snap snd socket soft
softdep sort source sp sparse spice splash srv stack staged standard star started stat
state stateroot static status statuses stderr stdout steamos storage stray stream strict
stubinfo subject submenu subsys subsystem subsystems such sudo suffix summary support
surrogateescape suse svm sw swap swtpm symbol symlink sync syntax sys sys_name sys_path
sysctl system systemctl systemd systemd-boot tables tag tags tainted target tboot tc
template test than the this timed tmp tmpfiles to tool toolbox toolboxenv tools tpm
trailing true truncated tss type uaccess ublue ubuntu udev udevadm uevent uid uki
unchanged unicode unified unknown until update updates usb usedac user users usr utf
uuid v2 values var vendor vermagic version vfat vfio vfio-doctor vfiopci vga vi video
viot virqfd virsh virt virtio virtual virtualization vm vmlinuz vmx vt wants warning was
wb weak weakdep were wheel while who win windows wireless with words works wrong wsl x86
xb xe xen xfs xhci xml y yes za connections hosts networks
"""
WORDS = frozenset(_TEXT.split())
SHORTEST = 3
# From here on a value is itself even inside a longer word.
DISTINCT = 5
_JOINED = " ".join(sorted(WORDS))


def is_common(text: str) -> bool:
    """Tell whether a value may also stand for something that is not private."""
    return len(text) < SHORTEST or text.lower() in WORDS


def is_distinct(text: str) -> bool:
    """Tell whether a value means itself inside a longer word too.

    Digits alone do not, and neither does a part of a common word.
    """
    plain = text.lower()
    return len(text) >= DISTINCT and not text.isdigit() and plain not in _JOINED
