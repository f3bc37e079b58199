"""What `planting` fills in: files, outputs and records, as hosts really have them."""

from __future__ import annotations

ARGUMENTS = (
    "BOOT_IMAGE=(hd0,gpt2)/{}/vmlinuz-6.1.0-{} root=UUID={} resume=/dev/mapper/{}-swap"
    " rd.luks.key=/{}.key:UUID={} rd.luks.name={}={} cryptdevice=UUID={}:{}:discard"
    " rd.lvm.lv={}/{} zfs={}/ROOT/{} iscsi_initiator=iqn.2004-10.com.{}:{}"
    " rd.iscsi.username={} rd.iscsi.password={} netroot=iscsi:{}:{}@10.1.2.3::3260:1:{}"
    " ip=10.20.30.40::10.20.30.1:255.255.255.0:{}:eth0:none:{} nameserver={}"
    " ifname=lan0:{} systemd.hostname={} systemd.machine_id={} inst.ks=https://{}/{}.ks"
    " systemd.set_credential=login.password:{} systemd.setenv=TOKEN={} {}.token={}"
    " systemd.run=/usr/bin/{} {} {}= kvm.{}={} vfio-pci.ids=10de:2204,{} iommu=pt,{}"
    ' amd_iommu={} dyndbg="file {}.c +p" "{}={} {}" initrd=\\{}\\initrd.img'
    " kvmfr.static_size_mb={} kvm.report_ignored_msrs={} module_blacklist=nouveau,{}"
    " console=ttyS0,{} video={} ostree=/ostree/boot.1/{}/{}/0 ds=nocloud-net;s=http://{}/"
    " -- {} --password={}"
)
RULES = """\
# written by {} <{}@{}> for {}
SUBSYSTEM=="kvmfr", OWNER="{}", GROUP="{}", MODE="0660", SYMLINK+="{}", TAG+="{}"
SUBSYSTEM=="kvmfr", ENV{{}}="{}", ATTR{serial}=="{}", RUN+="/usr/local/bin/{} {}"
SUBSYSTEM=="kvmfr", PROGRAM=="/bin/sh -c 'echo {}'", RESULT=="{}", GOTO="{}"
SUBSYSTEM=="kvmfr" OWNER={}
SUBSYSTEM=="kvmfr", {}="1", \\
  MODE="{}"
SUBSYSTEM=="usb", ATTRS{serial}=="{}", ATTRS{idVendor}=="{}", SYMLINK+="disk/{}"
KERNEL=="{}*|kv*{}", OWNER:="{}", LABEL="{}", IMPORT{file}="/etc/{}", NAME="{}"
ACTION=="add", SUBSYSTEM=="vfio", TEST=="/etc/{}", SECLABEL{selinux}="{}", TAG-="{}"
"""
DOMAIN = """\
<!-- {} -->
<domain type='kvm' id='{}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{}</name><uuid>{}</uuid><title>{}</title><description>{}</description>
  <metadata><{}:os xmlns:{}="http://{}"><o id="{}">{}</o></{}:os></metadata>
  <memory unit='KiB'>{}</memory><vcpu placement='static' cpuset='{}'>8</vcpu>
  <os><type arch='x86_64' machine='{}'>hvm</type><loader>/usr/share/{}/OVMF.fd</loader>
    <nvram template='/{}'>/var/lib/libvirt/qemu/nvram/{}_VARS.fd</nvram></os>
  <sysinfo type='smbios'><system><entry name='serial'>{}</entry></system></sysinfo>
  <features><hyperv><vendor_id state='on' value='{}'/></hyperv></features>
  <devices>
    <emulator>/opt/{}/qemu</emulator>
    <disk type='network'><auth username='{}'><secret type='ceph' uuid='{}'/></auth>
      <source protocol='rbd' name='{}/{}'><host name='{}' port='6789'/></source>
      <serial>{}</serial><wwn>{}</wwn><target dev='{}' bus='sata'/></disk>
    <disk type='file'><source file='/home/{}/{}.qcow2'/></disk>
    <disk type='block'><source dev='/dev/disk/by-id/{}'/></disk>
    <interface type='bridge'><mac address='{}'/><source bridge='{}'/></interface>
    <interface type='network'><source network='{}' portgroup='{}'/></interface>
    <graphics type='spice' port='5900' passwd='{}' listen='{}'/>
    <filesystem><source dir='/srv/{}'/><target dir='{}'/></filesystem>
    <hostdev mode='subsystem' type='{}'><source><address uuid='{}'/></source></hostdev>
    <shmem name='{}'><model type='ivshmem-plain'/><size unit='M'>64</size></shmem>
    <channel type='unix'><target type='virtio' name='{}'/></channel>
    <{}>{}</{}>
  </devices>
  <secret>{}</secret><seclabel type='static' label='{}'/>
  <qemu:commandline><qemu:arg value='-fw_cfg'/><qemu:arg value='opt/{},string={}'/>
    <qemu:arg value='{"driver":"{}","secret":"{}"}'/>
    <qemu:env name='{}' value='{}'/></qemu:commandline>
  <![CDATA[{}]]>
"""
DMESG = """\
[    0.000000] Linux version 6.1.0-{} ({}@{}) (gcc {}) #1 SMP
[    0.000000] Command line: quiet rd.luks.key=/{} systemd.hostname={} {}
[    0.000000] DMI: {} {}/{}, BIOS {} 01/01/2024
[    0.100000] {}: module verification failed: signature and/or required key missing
[    0.200000] usb 1-1: Product: {}'s phone with kvm
[    0.300000] usb 1-1: SerialNumber: {#}
[    1.000000] systemd[1]: Hostname set to <{}>.
[    2.000000] wlan0: associate with {} (try 1/3) for module {}
[    3.000000] Bluetooth: hci0: {}'s headset parameter {}
[    4.000000] audit: type=1400 apparmor="DENIED" name="/home/{}/{}.img" comm="{}-kvm"
[    5.000000] systemd[1]: Mounted mnt-{}.mount - /mnt/{} for vfio.
[    6.000000] EXT4-fs (dm-{}): mounted filesystem {} with module {}
[    7.000000] kvm [{#}]: ignored rdmsr: 0x{} data 0x{}
[    8.000000] vfio-pci 0000:01:00.0: BAR 1: can't reserve {} for {}
[    9.000000] nfs: server {} not responding, module {}
[   10.000000] {} hostname to < {} kvm
{} kvmfr {}={} /{}/{} {}@{} {}:{} "{}"
"""
FILES: dict[str, str] = {
    "/etc/passwd": "{}:x:1000:100:{} {},{},{}:/home/{}:/usr/local/bin/{}\n"
    "{}:x:70001:70002:{}:/srv/{}:/bin/sh\n{}\n+@{}::::::\n",
    "/etc/group": "{}:x:70002:alice,{}\nkvm:x:78:{},{}\n{}:{}:4711:{}\nwheel:!:10:{}\n",
    "/proc/cmdline": f" {ARGUMENTS}",
    "/etc/kernel/cmdline": f"# {{}}\n{ARGUMENTS}\n",
    "/etc/default/grub.d/{}.cfg": f"""\
# {{}} set this
GRUB_DEFAULT="{{}}>{{}}"
GRUB_DISTRIBUTOR="{{}}"
GRUB_PASSWORD={{}}
GRUB_CMDLINE_LINUX="{ARGUMENTS.replace('"', "")}"
GRUB_CMDLINE_LINUX_DEFAULT='quiet {{}}={{}} {{}}'
GRUB_CMDLINE_LINUX_RECOVERY={{}}
GRUB_CMDLINE_LINUX_DEFAULT="${{}} $({{}} {{}})"{{}}
. /etc/{{}}
if [ "$HOST" = "{{}}" ]; then export GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {{}}"; fi
GRUB_CMDLINE_XEN={{}} ; password_pbkdf2 {{}} grub.pbkdf2.sha512.10000.{{}}.{{}}
""",
    "/boot/grub/grub.cfg": f"""\
set superusers="{{}}"
password_pbkdf2 {{}} grub.pbkdf2.sha512.10000.{{}}.{{}}
set default="{{}}>{{}}"
search --no-floppy --fs-uuid --set=root {{}}
submenu '{{}}' --users {{}} --id '{{}}' {{
menuentry '{{}}' --class {{}} $menuentry_id_option 'gnulinux-{{}}' {{
  echo 'Loading {{}} ...'
  linux /boot/vmlinuz-6.1.0-{{}} {ARGUMENTS}
  initrd /boot/{{}}/initrd.img-6.1.0-{{}}
}}
}}
chainloader /EFI/{{}}/x.efi # {{}}
""",
    "/boot/grub/grubenv": "# GRUB Environment Block\nsaved_entry={}>{}\n{}={}\n"
    f"kernelopts={ARGUMENTS}\nnext_entry={{}}\n###",
    "/boot/loader/entries/{}-6.1.0.conf": f"""\
# {{}}
title {{}} {{}}
version 6.1.0-{{}}
machine-id {{}}
linux /{{}}/6.1.0-1/linux
initrd /{{}}/initrd
options {ARGUMENTS}
grub_users {{}}
grub_arg --{{}}
{{}} {{}}
sort-key {{}}
""",
    "/boot/loader/loader.conf": "default {}-*.conf\n# {}\n{} {}\ntimeout {}\n",
    "/boot/limine.conf": f"""\
# {{}}
interface_branding: {{}}
/{{}} {{}}
  comment: machine {{}}
  protocol: linux
  path: boot():/{{}}/vmlinuz
  module_path: guid({{}}):/{{}}
  cmdline: {ARGUMENTS}
  {{}}: {{}}
""",
    "/etc/default/limine": f'TARGET_OS_NAME={{}}\nKERNEL_CMDLINE[default]+="{{}} '
    f'{ARGUMENTS.replace(chr(34), "")}"\nKERNEL_CMDLINE[{{}}]={{}}\n',
    "/etc/kernelstub/configuration": '{"user": {"kernel_options": ["{}={}", "quiet"],'
    ' "esp_path": "/{}"}, "default": {"kernel_options": "{} splash"}, "{}": "{}"}',
    "/usr/lib/bootc/kargs.d/10-{}.toml": '# {}\nkargs = ["{}={}", "quiet"]\n'
    '{} = "{}"\n',
    "/etc/udev/rules.d/70-{}.rules": RULES,
    "/etc/udev/rules.d/99-kvmfr-{}.rules": RULES,
    "/etc/udev/rules.d/{}": RULES,
    "/etc/modprobe.d/{}.conf": """\
# {} wrote this
options kvmfr static_size_mb={} {}={} # {}
options vfio-pci ids=10de:2204,{} disable_vga={}
options {} token={} {}="{} {}"
#options kvmfr static_size_mb={}
install {} /usr/local/bin/{} --key {}
alias usb:v{}d* {}
alias {} {}
softdep {} pre: vfio-pci {}
blacklist {}
{} {}
options kvm \\
  {}={}
""",
    "/etc/modprobe/{}": "options kvmfr {}={}\n",
    "/etc/modules-load.d/{}.conf": "# {}\n{}\nkvmfr {}={}\n; {}\noptions {} a={}\n",
    "/etc/dracut.conf.d/{}.conf": '# {}\nforce_drivers+=" vfio {} "\n{}="{}"\n'
    'install_items+=" /etc/{}/{}.key "\nkernel_cmdline="rd.luks.key={}"\n',
    "/etc/mkinitcpio.conf": "MODULES=(vfio {})\nFILES=(/{}/{}.key)\nHOOKS=(base {})\n",
    "/etc/libvirt/qemu.conf": """\
# {}
user = "{}"
group = "{}"
vnc_password = "{}"
spice_tls_x509_cert_dir = "/etc/{}"
cgroup_device_acl = [ "/dev/kvmfr0", "/dev/{}", # {}
  "/mnt/{}" ]
nvram = [ "/usr/{}:/{}" ]
{} = "{}"
#user = "{}"
migration_host = '{}' # {}
""",
    "/etc/libvirt/qemu/{}.xml": DOMAIN,
    "/etc/libvirt/hooks/{}": "#!/bin/sh\ncurl -H 'Authorization: {}' https://{}/\n",
    "/etc/looking-glass-client.ini": "; {}\n[app]\nshmFile=/dev/shm/{}\n[{}]\n"
    "host={}\npassword={}\n{}={}\n",
    "/etc/os-release": 'NAME="{}"\nPRETTY_NAME="{} {} for {}"\nID={}\nVARIANT_ID={}\n'
    'HOME_URL="https://{}/"\nSUPPORT_URL="https://{}:{}@{}/"\nVENDOR_NAME={}\n{}={}\n',
    "/usr/share/ublue-os/image-info.json": '{"image-name": "{}", "image-vendor": "{}",'
    ' "image-ref": "ostree-image-signed:docker://{}:{}@{}/{}/{}:{}", "image-tag": "{}",'
    ' "{}": "{}", "base-image-name": ["{}"], "image-flavor": {"{}": "{}"}}',
    "/etc/tmpfiles.d/{}-looking-glass.conf": "# {}\nf /dev/shm/{} 0660 {} {} - {}\n",
    "/etc/apparmor.d/{}": "# {}\n/dev/{} rw,\n/home/{}/** r,\ninclude <{}>\n",
    "/proc/cpuinfo": "processor : 0\nvendor_id : {}\nmodel name : {} CPU {}\n"
    "flags : vmx {}\nSerial : {#}\n{} : {}\nmicrocode : {}\n\n",
    "/proc/modules": "kvm 1 2 kvm_intel,{} Live 0x0\n{} {#} 0 - Live 0x{}\n",
    "/proc/iomem": "00000000-00000fff : {}\n  c0000000-c0000fff : 0000:01:00.0 {}\n",
    "/sys/class/input/input3/capabilities/key": "{} fffffffffffffffe {}\n",
    "/proc/interrupts": "  CPU0\n 1: 2 IR-IO-APIC 1-edge {}\n 2: 3 {} 4 {}\n{}: 1 {}\n",
    "/proc/meminfo": "MemTotal: {} kB\n{}: 12 kB\n",
    "/proc/mounts": "//{}/{} /mnt/{} cifs rw,username={} 0 0\n"
    "{} /{} hugetlbfs rw 0 0\n",
    "/proc/1/cgroup": "0::/machine.slice/{}.scope\n",
    "/proc/sys/kernel/hostname": "{}.{}.example\n",
    "/proc/sys/kernel/random/boot_id": "{}\n",
    "/run/systemd/container": "{}\n",
    "/run/systemd/seats/seat0": "# {}\nACTIVE={}\nACTIVE_UID=1000\nSESSIONS={} {}\n",
    "/sys/class/drm/card0-DP-1/modes": "1920x1080\n{}\n",
    "/sys/class/dmi/id/product_serial": "{#}\n",
    "/sys/class/dmi/id/board_asset_tag": "{}\n",
    "/sys/bus/pci/devices/0000:00:02.0/uevent": "DRIVER={}\nPCI_ID={}\n{}={}\n",
    "/sys/bus/pci/devices/0000:00:02.0/driver_override": "{}\n",
    "/sys/module/kvm/parameters/{}": "{}\n",
    "/etc/NetworkManager/system-connections/{}.nmconnection": "[wifi]\npsk={}\n",
    "/etc/fstab": "//{}/{} /mnt cifs credentials=/root/{} 0 0\n",
    "/etc/machine-id": "{}\n",
    "/home/{}/.config/looking-glass/client.ini": "[app]\nshmFile=/dev/{}\n",
    "/usr/local/bin/{}": "#!/bin/sh\necho {}\n",
    "/boot/config-6.1.0-{}": 'CONFIG_KVM=y\nCONFIG_LOCALVERSION="-{}"\n# {}\n',
    "/lib/modules/6.1.0-{}/modules.dep": "extra/{}/kvmfr.ko: kernel/{}.ko\n{}.ko:\n",
}
_MODINFO = """\
filename:       /lib/modules/6.1.0-{}/updates/{}/kvmfr.ko
version:        {}
author:         {} <{}@{}>
description:    {}
srcversion:     {}
signer:         {} Secure Boot Module Signature key
sig_key:        {}
parm:           static_size_mb:{} (array of int)
parm:           {}:{}
vermagic:       6.1.0-{} SMP preempt {}
"""
_STATUS = """{"deployments": [{"osname": "{}", "checksum": "{}", "version": "{}",
 "container-image-reference": "ostree-unverified-registry:{}:5000/{}/{}@sha256:{}",
 "origin": "{}:{}/x86_64", "requested-packages": ["{}"], "{}": {"{}": "{}"},
 "serial": 0, "booted": true, "timestamp": 17327712345, "id": "{}"}], "{}": "{}"}"""
_BOOTC = """{"apiVersion": "{}", "status": {"booted": {"image": {"image": {"image":
 "{}/{}:{}", "transport": "{}", "signature": {"ostreeRemote": "{}"}}, "version": "{}",
 "imageDigest": "sha256:{}"}, "ostree": {"stateroot": "{}", "checksum": "{}"}},
 "{}": ["{}"]}, "spec": {"image": {"image": "{}"}}, "metadata": {"name": "{}"}}"""
COMMANDS: dict[tuple[str, ...], str] = {
    ("dmesg",): DMESG,
    ("rpm-ostree", "kargs"): ARGUMENTS,
    ("rpm-ostree", "status", "--json"): _STATUS,
    ("bootc", "status", "--format", "json"): _BOOTC,
    ("grubby", "--info=DEFAULT"): 'index=0\nkernel="/boot/{}"\nargs="{}={} quiet"\n'
    'root="/dev/mapper/{}"\ntitle="{}"\nid="{}"\n{}="{}"\n{} {}\n',
    (
        "bootctl",
        "list",
        "--json=short",
    ): '[{"type": "{}", "id": "{}.conf", "title": "{}",'
    ' "options": "{}={}", "{}": "{}", "path": "/{}", "linux": "/{}"}]',
    ("kernelstub", "-p"): "Kernel Boot Options:..........{}={} {}\nESP: /{}\n",
    ("modinfo", "-k", "6.1.0-{}", "kvmfr"): _MODINFO,
    ("getent", "passwd", "{}"): "{}:x:70001:70002:{}:/home/{}:/bin/{}\n",
    ("getent", "group", "{}"): "{}:x:70002:{},{}\n",
    ("id", "-G", "{}"): "1000 {}\n",
    ("lsinitramfs", "/boot/initrd.img-6.1.0-{}"): "{}\netc/modprobe.d/{}.conf\n"
    "usr/lib/modules/6.1.0-{}/kernel/{}/vfio-pci.ko\n{}.ko -> /{}/{}.ko\n",
    ("mokutil", "--sb-state"): "SecureBoot enabled by {}\n",
    ("virsh", "-c", "qemu:///system", "list", "--all", "--name"): "{}\n{} {}\n",
    ("virsh", "--version"): "{}\n",
    ("qemu-system-x86_64", "--version"): "QEMU emulator version 8.2.0 ({})\n{}\n",
    ("systemctl", "--version"): "systemd 255 ({})\n+PAM {}\n",
    ("{}", "--{}"): "{}\n",
}
STATS = (
    *("/dev/{}", "/dev/disk/by-id/{}", "/dev/vfio/7", "/home/{}/.{}", "/mnt/{}/{}"),
    *("/run/media/{}/{}/x", "/var/lib/libvirt/images/{}.qcow2", "/opt/{}/kvmfr.ko"),
    *("/sys/class/net/{}", "/etc/cron.d/{}", "/dev/shm/{}", "/dev/mapper/{}-{}"),
)
LISTED = (
    *("/home", "/dev", "/etc/libvirt/qemu", "/etc/udev/rules.d", "/sys/class/iommu"),
    *("/etc/modprobe.d", "/etc/modules-load.d", "/sys/module", "/boot", "/dev/shm"),
    *("/sys/firmware/efi/efivars", "/lib/modules", "/sys/class/drm", "/usr/bin"),
)
PROPERTIES = (
    *(("ID_SERIAL_SHORT", "{}"), ("ID_FS_LABEL", "{} {}"), ("DEVLINKS", "/dev/{}")),
    *(("ID_MODEL", "{}"), ("ID_VENDOR_FROM_DATABASE", "{} Corporation [{}]")),
    *(("ID_MODEL_FROM_DATABASE", "{} [GeForce {}]"), ("DEVNAME", "/dev/{}/{}")),
    *(("TAGS", ":{}:uaccess:"), ("{}", "{}"), ("DRIVER", "{}"), ("ID_PATH", "pci-{}")),
    *(("MODALIAS", "usb:v{}"), ("PCI_ID", "{}"), ("ID_SEAT", "{}"), ("DEVPATH", "/{}")),
)
