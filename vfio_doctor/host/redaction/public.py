"""Words that tell nothing of anybody: every host of a kind has them.

What a format lets through is known by one of these lists or by its form
(`forms`). A word that is missing here costs a reader some comfort; one too many
may cost a person their privacy.
"""

from __future__ import annotations

from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.public_modules import MODULES

# What a stand-in begins with (`names`).
# The boot loader interface's and the firmware's own; all hosts have the same.
IDS = frozenset(
    (
        *(
            "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
            "8be4df61-93ca-11d2-aa0d-00e098032b8c",
        ),
        *(
            "605dab50-e046-4300-abb6-3dd810dd8b23",
            "d719b2cb-3d3a-4596-a3bc-dad00e67656f",
        ),
    )
)
KINDS = (
    *("user", "group", "host", "vm", "title", "volume", "label", "file", "module"),
    *("name", "device", "variable", "hidden", "address", "mail", "image"),
)
# Accounts and groups that systems make themselves; what a person made never is one.
ACCOUNTS = listed(
    """
    root nobody nogroup bin daemon sys adm tty disk lp mail kmem wheel cdrom dialout
    floppy tape sudo audio dip video plugdev users input sgx render kvm netdev utmp
    qemu libvirt libvirt-qemu libvirt-dnsmasq libvirtd qemu-libvirtd libvirtdbus
    dnsmasq polkitd messagebus dbus systemd-journal systemd-network systemd-resolve
    systemd-timesync systemd-coredump systemd-oom gdm sddm lightdm tss rtkit pulse
    avahi colord geoclue flatpak pipewire usbmuxd gamemode incus-admin incus lxd
    docker i2c realtime storage optical network power scanner rfkill uucp log http
    nixbld
    """
)
# Below /, what a system has, and what this program reads or writes.
_PATHS = """
booster kernels mkinitfs rebuild reconfigure reinstall tinyramfs xbps yaml
acpi add adm aliases alternatives amd64 apparmor apparmor.d apic abstractions apt arch
args at audio bdf bin block boot bootc bootctl boot0 booted bootx64 bus bzimage bzroot
by cache card cfg cgroup char class client cmdline conf config configuration containers
container containerenv cpu cpuinfo current d data db dbus debian deb default deploy
deployment description dev device devices distrobox dkms dmar dmi dockerenv dpkg dracut
drm driver drivers dri dsdt efi efivars enabled enforce entries entry env etc event exec
extra facp fallback fedora firmware flatpak fs functions fw games generic group groups
go grub grub2 grubby grubenv gz hidraw home hooks host hostname hotplug hpet hugepages
id info ini init initramfs initrd initstate install intel interrupts iommu ivhd ivrs
joystick json kargs kernel kernelstub ko label latest lib lib64 libexec libsystemd
libvirt linux linux16 loader local lock lockdown log looking glass lp lts lz4 machine
main make manager mapper mcfg media meminfo mem microcode misc mkinitcpio mm mnt mode
modeset modes modprobe modules module mounts multi name net network nix nixos nodes none
nvram online openrc opt options os osrelease ostree override params parameters partlabel
partuuid passwd path pci pcie pkgbase platform power pr pre proc product profiles pts
qemu random raw rd recovery release remove rescue reset reserved regions root route rpm
rule rules run runtime sbin script scripts sda sdb sdc sdd seat seats security selinux
selfdiag session share shared shm shadow signed size slave slot so sound source sr srv
ssdt staged staging state static status stats std stderr stdin stdout store string
subsystem sudoers swap sys sysctl syslinux system systemd systemd-boot tables tainted
tap target tcp tmp tmpfiles toml toolboxenv top tpm tpmrm tty type ublue uevent uki unix
unit updates update upgrade uptime urandom usb user usr uuid vendor version vga virbr
vfat vhost video viot virt virtual vmlinuz vmlinux weak whitelist win x x64 x86 xml xz
zero zst zram zone 64 32 abi acs builtin dep symbols order alias softdep sig lost
found autosuspend btrfs camera cdrom compat dm doctor notify e2scrub evdev fido gpiochip
image dissect infiniband input integration iocost memory mouse auto link bridge dhcp
hwclock setup persistent alsa controller storage mtd tape v4l switch probe sensor serial
special runit runsvdir runlevels sv down dinit dinitctl s6 rc opentmpfiles etmpfiles
mok moklistrt variables shim certs der pki akmods key pub public
readme pacsave pacnew rpmnew rpmsave rej dist permissive svirt
names touchpad uaccess udev udevd late nvidia nouveau amdgpu radeon i915 xe snd hda
virtio kvm kvmfr vfio nvme sata ahci libsystemd-shared map contrib ls bash sh false true
gnu x86_64 aarch64 kernel-params libvirt-qemu libvirtd virtqemud virtqemud.socket
service socket slice scope mkconfig mkrescue kernels pc domain dbx standard recommended
nonfree boot_vga reset_method driver_override d3cold_allowed runtime_status power_state
control iommu_group iommu_groups ecap nr_hugepages free_hugepages kB sig_enforce
module_blacklist board board_name board_vendor product_name sys_vendor cpuinfo_max_freq
iomem mkinitramfs
seat0 var limine tools virsh dp hdmi edp dvi lvds dsi loaderinfo loaderentrydefault
loaderentryoneshot loaderentryselected loaderentries loaderentrylastbooted
loaderfeatures loaderimageidentifier stubinfo stubfeatures loaderdevicepartuuid
loaderfirmwareinfo loaderfirmwaretype loadertimeinitusec loadertimeexecusec secureboot
setupmode pk kek bootorder bootcurrent facs waet wsmt bgrt fpdt tpm2 slic msdm uefi srat
slit dbg2 spcr lpit dynamic coresize holders initsize notes refcnt sections srcversion
taint allowed d3cold autofs fd hwrng initctl kmsg mqueue psaux ptmx ptp rtc rtc0
d0 d1 d2 d3hot specific af flr cxl append sriov totalvfs numvfs bak orig rpmsave
snapshot ttys userfaultfd vcs vcsa vcsu vda arbiter ports fbdev fuse uhid uinput uvc
vhci udmabuf ntsync select pop reuse logind resolved kb by-id by-path by-uuid by-label
driverctl sysfs overcommit nr free libvirtd sock socket sockets service virtqemud wants
initcpio audit noiommu uuids template targeted mls minimum cil hll pp pm cxl setup.sh
swaps leds capslock numlock scrolllock slaves subsystem bond lan wan lower ctl
fabrics ata controllers nvme-subsystem
swaps leds capslock numlock scrolllock slaves subsystem bond lan wan lower ctl fabrics
ata controllers nvme-subsystem doctor
"""
# Kernels and distributions: parts of a release, of names of images and systems.
_SYSTEMS = """
aarch64 amd64 arch artix arm64 aurora azure bazzite bluefin bookworm bore bullseye
buster cachyos cachy centos chimera cinnamon clear cloud coreos cosmic daily debian deck
deepin default desktop dracut dx edge edu eln endeavouros endeavour fedora fc el el8 el9
el10 forky fsync garuda generic gentoo gnome gnu gts gpu guix hardened harvester hwe
hwenext image iot jammy kali kde kinoite lowlatency lts lqx liquorix linux main manjaro
mate mint mios micro mobile mx neon next nix nixos noble nobara nonfree nvidia ogc onyx
open opensuse oracle orange os ostree pantheon pf plasma pop prerelease preempt pve
proxmox qubes rawhide raspberry raspi realtime rc redhat release rocky rolling rpi rt
sericea server siduction sid silverblue slackware sle sles slowroll solus stable
steamdeck steamos stream suse sway testing trixie tumbleweed tw ubuntu ublue ucore
ultramarine unraid unstable user variant ver virt void vanilla windows workstation
xanmod xfce xen zen zorin asus surface framework ba stg vivaldi noarch x86 x86_64
centosstream almalinux alma core atomic container host edition codename budgie lxqt
minimal full live beta alpha nightly dev docker oci ostreecontainer
"""
# What the firmware, the kernel, systemd and the tools say around their values.
_SAYINGS = """
a abled able about above absent accepted access across action active activated adapter
adding address addresses advanced after again alias all allocate allocated allocation
already also amd amd-vi an and any anymore apertures application are argument arguments
as asked assign assigned at attach attached aw bad bar bars base become been before
behind being below between bios bit bits blacklisted block blocked bochs boot broken bsp
bridge broadcast buffer bug build built bus busy but by bytes cache called can can't
cannot cap capabilities capability chan changed changes channel check checking checksum
claimed class code command compressed completion conflicts conflict configuration
configured consistent console contains context control controller copy corrupted could
couldn't count counters cpu cpus create created creating crash cs current customize dead
default defer deferred denied detected device devices did different direct directed
disable disabled disables disabling disagrees disk display dma dmar dmar-ir do does
domain doesn't don't done down driver drivers drm drhd due early ecap edid efi eisa
enable enabled enables enabling end enough entering entire entry entries error errors
event exceeds exist exiting expected extended extra failed failing fails failure fault
features fb0 feature file find firmware fixed flags flip flr flush for force forced
format found fpga frame framebuffer from front full function functionality further
fw_cfg generic get global got graphics group groups guest had handler hardware has have
header hidden hierarchy high host hotplug hpa hw hypervisor i/o id identity idle if
ignore ignored ignoring image in inaccessible inconsistent incorrect information
initialized initializing initialization init initial inject input insert instead int
integrity intel interface internal interrupt interrupts invalid invalidation invoked io
io-apic ioapic under hpet iommu iommuv2 iova irq irqs is isa isolation issue it its
iverb ivhd ivmd ivrs
kernel key keyring keys kvm large larger lapic legacy level limit line link linux list
load loaded loading locked lockdown lookup loop low lowmem magic map mapped mapping
mappings mask mastering matched max maximum may mdev mem memory message method min minor
missing mmio mode modern module modules more most msi msix msr msrs mtrr multi my name
need needed needs new nested next no node none nor normal not now null number numa of
off offset old on once one only opt option options or order other out overflow overlap
overlaps own owns page pages panic param parameter parent part parts pass passed
passthrough pasid patch path pci pcie per performance peripheral permission permissive
pin pmc port possible power pr pref prefetchable present prevent primary probe probed
problem process processor processors protected protection provided queue quirk quiet raw
reached read ready real reason received record region regions register registered
registers reject rejected rejection released remapped remapping removed report reported
reporting request requested required requires reserve reserved reset resetting resizable
resource resources response restricted result hugetlbfs such directory api vm closed
answered tried installed opened fq confidentiality img yes huge tlb osi policy lazy
complete finished refused step stopped physical smp preempt_dynamic mod unload
modversions retpoline dual mit gpl bsd license resume retry return returned revision rom
root routing rmrr running satc scaled scaling section secure security see segment send
service set sets setting settings setup shadow shared should shutdown signature signing
simpledrm sig simple size skip skipping slot smi smt so some source specified split
start started starting state static status stop still strict subsystem successfully
supervisor support supported supports svm symbol system table tables tainting taints
technology termination than that the then there this through time timeout timed to too
total transaction translation translations try trying type types unable unaligned
unavailable unexpected unit units unknown unrecognized unregister unsafe unsigned
unsupported up use used user using valid value values vector vectors vendor verification
version vf via virtual virtualization vmx void wait waiting warning was way were when
which while will with within without word write written wrong x2apic x86 sha256 sha512
sha1 rsa ecdsa pkcs pkcs7 xapic yet you your zero atsr sm sp sg sva tboot vt-d vt-x vtd
ats pri gart gb mb kib mib gib kb loader deprecated recognized nx pae efi: smbios dmi
stated irqchip rdmsr wrmsr ept vpid npt sev asid vmcs tdp tpr disagreement secureboot
uefi mokvar mok certificate cert x.509 builtin platform trusted Loading vermagic
"""
WORDS = frozenset(
    word.lower() for text in (_PATHS, _SYSTEMS, _SAYINGS) for word in text.split()
)
STEMS = WORDS | MODULES
# As many as a device's name or a version has behind a word.
DIGITS = 4


def is_word(text: str) -> bool:
    """Tell whether a word is on a list, digits behind it aside (``card0``)."""
    plain = text.lower()
    if plain in STEMS or len(plain) < 2 and plain.isascii():
        return True
    stem = plain.rstrip("0123456789")
    short = len(plain) - len(stem) <= DIGITS
    return len(stem) > 1 and short and stem in STEMS and stem not in KINDS


def is_module(text: str) -> bool:
    """Tell whether this is the name of a module that many kernels have."""
    return text.replace("-", "_") in MODULES
