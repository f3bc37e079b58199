"""A host that is full of private values: what they are and where they stand."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts import catalogue
from support.hosts import CHAR_NODE, changed, link
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Missing, ProbeResult, Stat, UdevDevice, Why

# What is searched for, by what it is. "alice" is who lives in every fixture host.
SECRETS = {
    "user": "alice",
    "user-second": "brunhilde",
    "user-short": "bob",
    "user-directory-service": "carla.x",
    "user-in-rule-only": "dietlinde",
    "user-in-owner-of-node": "ermintrude",
    "user-in-home-list": "fridolin",
    "user-in-media": "gunther",
    "user-in-qemu-conf": "hildegard",
    "group": "familygroup",
    "full-name": "Alice Wonderland",
    "family-name": "Wonderland",
    "full-name-accents": "Zoë Ångström",
    "room": "Room-4711b",
    "host": "wonderbox",
    "host-domain": "wonderbox.wonderland.example",
    "host-in-hosts": "teapot",
    "host-in-log": "hatterbox",
    "host-in-arguments": "dormouse",
    "host-in-ip-argument": "marchhare",
    "domain": "rabbithole.example",
    "machine-id": "5f2c8d1be3a94f07b6d8c9e0a1b2c3d4",
    "machine-id-in-entry": "6a3d9e2cf4ba5018c7e9daf1b2c3d4e5",
    "boot-id": "7b4eaf3d-05cb-4129-98fa-eb02c3d4e5f6",
    "root-uuid": "8c5fb04e-16dc-423a-a90b-fc13d4e5f607",
    "luks-uuid": "9d60c15f-27ed-434b-ba1c-0d24e5f60718",
    "luks-name-uuid": "ae71d260-38fe-445c-8b2d-1e35f6071829",
    "part-uuid": "bf82e371-490f-456d-9c3e-2f4607182930",
    "mbr-part-uuid": "c0ffee11-02",
    "fat-uuid": "1A2B-3C4D",
    "resume-uuid": "d0a4f593-6b21-478f-be50-416829304152",
    "efi-part-uuid": "e1b50604-7c32-4890-8f61-52793a415263",
    "btrfs-uuid-in-log": "f2c61715-8d43-49a1-9072-638a4b526374",
    "uuid-joined": "03d72826-9e54-4ab2-8183-749b5c637485",
    "label": "ALICEROOT",
    "label-of-partition": "SECRETPART",
    "label-in-media": "HOLIDAYSTICK",
    "label-with-space": "My Diary",
    "volume-group": "vg_wonderland",
    "volume-mapped": "luks-secretname",
    "disk-by-id": "ata-Samsung_SSD_860_EVO_S3Z9NB0KA12345X",
    "disk-serial": "S3Z9NB0KA12345X",
    "disk-wwn": "0x5002538e40a1b2c3",
    "nvme-serial": "S4EWNF0M812345Y",
    "usb-serial": "4C530001171122113344",
    "usb-serial-in-log": "AABBCCDD11223344Z",
    "usb-serial-in-sysfs": "KBD99887766Q",
    "board-serial": "MB-1234567890AB",
    "system-uuid": "14e83937-af65-4bc3-9294-85ac6d748596",
    "mac": "a4:bb:6d:12:34:56",
    "mac-upper": "A4:BB:6D:65:43:21",
    "mac-in-name": "a4bb6d778899",
    "mac-of-vm": "52:54:00:ab:cd:ef",
    "access-point-mac": "de:ad:be:ef:12:34",
    "ipv4": "192.168.178.23",
    "ipv4-public": "203.0.113.77",
    "ipv4-in-argument": "10.20.30.40",
    "ipv6": "2001:db8:85a3:8d3:1319:8a2e:370:7348",
    "ipv6-short": "fe80::a6bb:6dff:fe12:3456",
    "email": "alice@wonderland.example",
    "email-in-comment": "white.rabbit@late.example",
    "ssid": "AliceNet 5G",
    "ssid-file": "CheshireWifi",
    "ssid-in-log": "TeaPartyWLAN",
    "wifi-password": "curiouser-and-curiouser",
    "vm": "win11-gaming",
    "vm-second": "croquet",
    "vm-title": "Queen of Hearts",
    "vm-uuid": "25f94a48-b076-4cd4-83a5-96bd7e8596a7",
    "vm-serial": "VMSERIAL0042X",
    "vm-disk-serial": "WD-WCC4N1234567",
    "vm-in-log": "jabberwock",
    "vm-in-hook": "flamingo",
    "spice-password": "off-with-their-heads",
    "vnc-password": "drinkme-eatme",
    "hook-token": "ghp_HookTokenNobodyMaySee",
    "hook-host": "backup.wonderland.internal",
}
S = SECRETS
EFI = "/sys/firmware/efi/efivars"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
PART_VARIABLE = f"{EFI}/LoaderDevicePartUUID-{LOADER}"

ARGUMENTS = (
    f" root=UUID={S['root-uuid']} rd.luks.uuid=luks-{S['luks-uuid']}"
    f" rd.luks.name={S['luks-name-uuid']}={S['volume-mapped']}"
    f" resume=UUID={S['resume-uuid']} rd.lvm.lv={S['volume-group']}/root"
    f" systemd.hostname={S['host-in-arguments']}"
    f" ip={S['ipv4-in-argument']}::10.20.30.1:255.255.255.0:"
    f"{S['host-in-ip-argument']}:eth0:none"
)
DMESG = (
    "[    0.000000] Linux version 6.14.6 (mockbuild@builder) #1 SMP\n"
    f"[    1.000000] systemd[1]: Set hostname to <{S['host-in-log']}>.\n"
    f"[    2.000000] BTRFS info (device sda2): using uuid {S['btrfs-uuid-in-log']}\n"
    f"[    2.100000] BTRFS: device label {S['label']} devid 1 transid 9\n"
    f"[    3.000000] usb 1-1: SerialNumber: {S['usb-serial-in-log']}\n"
    f"[    4.000000] wlan0: authenticate with {S['access-point-mac']}\n"
    f'[    4.100000] wlan0: SSID "{S["ssid-in-log"]}"\n'
    f"[    5.000000] e1000e 0000:00:1f.6 eth0: {S['mac']}\n"
    f"[    6.000000] IPv4: martian source {S['ipv4']} from {S['ipv4-public']}\n"
    f"[    6.100000] IPv6: addr {S['ipv6']} and {S['ipv6-short']}\n"
    f"[    7.000000] audit: exe=/usr/bin/qemu guest={S['vm-in-log']},debug\n"
    "[    8.000000] nvidia: loading version 550.54.14, firmware version 1.2.3.4\n"
)
DOMAIN = f"""<domain type='kvm'>
  <name>{S["vm"]}</name>
  <uuid>{S["vm-uuid"]}</uuid>
  <title>{S["vm-title"]}</title>
  <sysinfo><entry name='serial'>{S["vm-serial"]}</entry></sysinfo>
  <devices>
    <disk><source file='/home/alice/vm/{S["vm"]}.qcow2'/>
    <serial>{S["vm-disk-serial"]}</serial></disk>
    <interface><mac address='{S["mac-of-vm"]}'/></interface>
    <graphics type='spice' passwd='{S["spice-password"]}'/>
  </devices>
</domain>
"""
FILES: dict[str, str | bytes] = {
    "/etc/hostname": f"{S['host']}\n",
    "/proc/sys/kernel/hostname": f"{S['host-domain']}\n",
    "/etc/hosts": f"127.0.0.1 localhost\n{S['ipv4']} {S['host-in-hosts']}"
    f".{S['domain']} {S['host-in-hosts']}\n",
    "/etc/machine-id": f"{S['machine-id']}\n",
    f"/boot/loader/entries/{S['machine-id-in-entry']}-6.1.conf": "title old\n",
    "/proc/sys/kernel/random/boot_id": f"{S['boot-id']}\n",
    "/etc/fstab": f"PARTUUID={S['part-uuid']} / btrfs\n"
    f"/dev/disk/by-partuuid/{S['mbr-part-uuid']} /old ext4\n"
    f"/dev/disk/by-uuid/{S['fat-uuid']} /boot/efi vfat\n"
    f"/dev/disk/by-partlabel/{S['label-of-partition']} /data ext4\n",
    PART_VARIABLE: b"\x06\0\0\0" + f"{S['efi-part-uuid']}\0".encode("utf-16-le"),
    "/sys/class/dmi/id/board_serial": f"{S['board-serial']}\n",
    "/sys/class/dmi/id/product_uuid": f"{S['system-uuid']}\n",
    "/sys/bus/usb/devices/1-2/serial": f"{S['usb-serial-in-sysfs']}\n",
    "/etc/libvirt/qemu.conf": f'user = "{S["user-in-qemu-conf"]}"\n'
    f'vnc_password = "{S["vnc-password"]}"\n'
    f"# mail {S['email-in-comment']} before you change this\n",
    f"/etc/libvirt/qemu/{S['vm']}.xml": DOMAIN,
    f"/etc/libvirt/hooks/qemu.d/{S['vm-in-hook']}": "#!/bin/sh\n"
    f"curl -H 'Authorization: {S['hook-token']}' https://{S['hook-host']}/\n",
    f"/etc/NetworkManager/system-connections/{S['ssid-file']}.nmconnection": "[wifi]\n"
    f"ssid={S['ssid']}\n[wifi-security]\npsk={S['wifi-password']}\n",
    "/etc/udev/rules.d/98-own.rules": 'SUBSYSTEM=="usb", '
    f'OWNER="{S["user-in-rule-only"]}" # {S["email"]}\n',
}
STATS: dict[str, Stat | Missing] = {
    "/dev/vfio/7": Stat(
        Kind.CHAR, 0o600, 1004, 1900, S["user-in-owner-of-node"], S["group"], (240, 7)
    ),
    "/dev/root": link(f"disk/by-uuid/{S['root-uuid']}"),
    f"/dev/disk/by-id/{S['disk-by-id']}": link("../../sda"),
    f"/dev/disk/by-id/nvme-Samsung_SSD_{S['nvme-serial']}": link("../../nvme0n1"),
    f"/dev/disk/by-id/wwn-{S['disk-wwn']}": link("../../sda"),
    f"/run/media/{S['user-in-media']}/{S['label-in-media']}/x": CHAR_NODE,
    f"/home/{S['user-in-home-list']}/.config": CHAR_NODE,
    f"/sys/class/net/enx{S['mac-in-name']}": CHAR_NODE,
}
UDEV = (
    UdevDevice(
        "/devices/pci0000:00/usb1/1-1",
        "usb",
        "1-1",
        "/dev/bus/usb/001/002",
        (
            ("ID_SERIAL_SHORT", S["usb-serial"]),
            ("ID_FS_LABEL", S["label-with-space"]),
            ("ID_FS_LABEL_ENC", S["label-with-space"].replace(" ", "\\x20")),
            ("ID_NET_NAME_MAC", f"enx{S['mac-in-name']}"),
            ("ADDRESS", S["mac-upper"]),
            ("DM_UUID", f"CRYPT-LUKS2-{S['uuid-joined'].replace('-', '')}-x"),
            ("DEVLINKS", f"/dev/disk/by-uuid/{S['uuid-joined']}"),
        ),
    ),
)


def planted(name: str) -> CapturedHost:
    """Return a fixture host with every secret put into it."""
    host = catalogue.host(name)
    files = host.capture.files
    passwd = _text(files.get("/etc/passwd")) + (
        f"{S['user-second']}:x:1001:1001:{S['full-name']},{S['room']}:"
        f"/home/{S['user-second']}:/bin/bash\n"
        f"{S['user-short']}:x:1002:1002:{S['full-name-accents']}:/home/bob:/bin/sh\n"
        f"{S['user-in-qemu-conf']}:x:1003:1003::/srv:/bin/sh\n"
    )
    group = _text(files.get("/etc/group")) + (
        f"{S['group']}:x:1900:alice,{S['user-second']},{S['user-short']}\n"
    )
    more: dict[str, str | bytes | Missing] = {
        **FILES,
        "/etc/passwd": passwd,
        "/etc/group": group,
        "/proc/cmdline": _text(files.get("/proc/cmdline", b"")).rstrip("\n")
        + ARGUMENTS
        + "\n",
        "/etc/shadow": Missing("/etc/shadow", Why.DENIED, f"not for {S['user']}"),
    }
    who = ("getent", "passwd", S["user-directory-service"])
    virsh = ("virsh", "-c", "qemu:///system", "list", "--all", "--name")
    found = changed(
        host,
        more,
        stats=STATS,
        commands={
            ("dmesg",): hosts.ran(("dmesg",), DMESG),
            virsh: hosts.ran(virsh, f"{S['vm']}\n{S['vm-second']}\n"),
            who: hosts.ran(who, f"{who[2]}:x:70001:70001::/home/{who[2]}:/bin/sh\n"),
        },
        udev={"usb": UDEV},
        probes={
            ("kvm", f"/home/{S['user']}/kvm"): ProbeResult(
                "kvm", (f"opened /home/{S['user']}/kvm",)
            )
        },
    )
    found.capture.manifest["modelled_on"] = f"the machine of {S['full-name']}"
    return found


def _text(data: bytes | Missing | None) -> str:
    return data.decode() if isinstance(data, bytes) else ""
