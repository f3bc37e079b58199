"""Hosts with Looking Glass and a VM that maps its device, but ..."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import bluefin, debian, passthrough
from vfio_doctor.host.reader import Kind, Stat

CONF = "/etc/libvirt/qemu.conf"
VM_FILE = "/etc/libvirt/qemu/win11.xml"
UNITS, OWN_UNITS = "/usr/lib/systemd/system", "/etc/systemd/system"
# As libvirt ships it, shortened: comments, and the sample of each list.
SHIPPED = """\
# Master configuration file for the QEMU driver.
# All settings described here are optional.

#user = "{user}"
#group = "{user}"

# What cgroup controllers to make use of with QEMU guests
#cgroup_controllers = [ "cpu", "devices", "memory", "blkio", "cpuset", "cpuacct" ]

# This is the basic set of devices allowed / required by
# all virtual machines.
#cgroup_device_acl = [
#    "/dev/null", "/dev/full", "/dev/zero",
#    "/dev/random", "/dev/urandom",
#    "/dev/ptmx", "/dev/kvm",
#    "/dev/userfaultfd"
#]
"""
OWN_LIST = """\
cgroup_device_acl = [
    "/dev/null", "/dev/full", "/dev/zero",
    "/dev/random", "/dev/urandom",
    "/dev/ptmx", "/dev/kvm",
    "/dev/userfaultfd", "/dev/kvmfr0"
]
"""
VM = """\
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>win11</name>
  <memory unit='KiB'>16777216</memory>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-device'/>
    <qemu:arg value="{{'driver':'ivshmem-plain','id':'shmem0','memdev':'lg'}}"/>
    <qemu:arg value='-object'/>
    <qemu:arg value="{{'qom-type':'memory-backend-file','id':'lg',{mapped}}}"/>
  </qemu:commandline>
</domain>
"""
SHMEM = """\
<domain type='kvm'>
  <name>win10</name>
  <devices>
    <shmem name='looking-glass'>
      <model type='ivshmem-plain'/>
      <size unit='M'>64</size>
    </shmem>
  </devices>
</domain>
"""
SVIRT, PLAIN = "svirt_image_t", "device_t"
ABSTRACTION = """\
  # for use by virtual machines
  /dev/kvm rw,
  /dev/net/tun rw,
  include if exists <abstractions/libvirt-qemu.d>
"""


def vm(mib: int, path: str = "/dev/kvmfr0", share: str = "true") -> Parts:
    """Return a VM of the system instance that maps a device."""
    mapped = f"'mem-path':'{path}','size':{mib << 20},'share':{share}"
    return file(VM_FILE, VM.format(mapped=mapped))


def programs(*daemons: str) -> Parts:
    """Return QEMU, virsh and these daemons, with their units."""
    there = Stat(Kind.FILE, 0o755, 0, 0, "root", "root", size=1)
    paths = ("/usr/bin/qemu-system-x86_64", "/usr/bin/virsh")
    parts = Parts(stats=dict.fromkeys(paths, there), folders=(OWN_UNITS,))
    for daemon in daemons:
        parts.stats[f"/usr/sbin/{daemon}"] = there
        for kind in ("service", "socket"):
            parts.stats[f"{UNITS}/{daemon}.{kind}"] = there
    return parts


def enabled(*units: str) -> Parts:
    """Return the links that `systemctl enable` makes."""
    return Parts(
        stats={
            f"{OWN_UNITS}/{'sockets' if unit.endswith('socket') else 'multi-user'}"
            f".target.wants/{unit}": hosts.link(f"{UNITS}/{unit}")
            for unit in units
        }
    )


def selinux(type_: str, level: str = "s0") -> Parts:
    """SELinux is enforced, and the device has this type and level."""
    node = bluefin.HEALTHY.parts[-3].stats["/dev/kvmfr0"]
    assert isinstance(node, Stat)
    label = f"system_u:object_r:{type_}:{level}"
    return Parts(
        {"/sys/fs/selinux/enforce": "1", "/etc/selinux/config": "SELINUX=enforcing\n"},
        {"/dev/kvmfr0": node._replace(label=label)},
    )


def apparmor(rules: str = "") -> Parts:
    """AppArmor is on; with ``rules`` a file of one's own, where libvirt includes it."""
    parts = Parts(
        {
            "/sys/module/apparmor/parameters/enabled": "Y\n",
            "/etc/apparmor.d/abstractions/libvirt-qemu": ABSTRACTION,
        }
    )
    if rules:
        parts.files["/etc/apparmor.d/abstractions/libvirt-qemu.d/kvmfr"] = rules
    return parts


def conf(text: str, user: str = "qemu") -> Parts:
    """Return qemu.conf: libvirt's own, with this behind it."""
    return file(CONF, SHIPPED.format(user=user) + text)


MODULAR = bluefin.HEALTHY.but(
    "healthy-bluefin-vm",
    "a VM that maps the device, virtqemud, SELinux enforced: all is well",
    vm(128),
    conf(OWN_LIST),
    programs("virtqemud"),
    enabled("virtqemud.socket"),
    selinux(SVIRT),
)
MONOLITHIC = debian.HEALTHY.but(
    "healthy-debian12-vm",
    "a VM that maps the device, libvirtd, AppArmor with a rule: all is well",
    vm(64),
    conf(OWN_LIST, "libvirt-qemu"),
    programs("libvirtd"),
    enabled("libvirtd.socket", "libvirtd.service"),
    apparmor("/dev/kvmfr0 rw,\n"),
)
OWN_MEMORY = debian.PLAIN.but(
    "healthy-debian12-shared-memory",
    "plain shared memory that tmpfiles.d makes for alice",
    file("/etc/libvirt/qemu/win10.xml", SHMEM),
    file(
        "/etc/tmpfiles.d/10-looking-glass.conf",
        "f /dev/shm/looking-glass 0660 alice kvm -\n",
    ),
    conf("", "libvirt-qemu"),
    programs("libvirtd"),
    enabled("libvirtd.service"),
)
PASSED = debian.AMD.but(
    "healthy-debian12-vfio-node",
    "a VM is given a card, and /dev/vfio/vfio is open as systemd makes it",
    passthrough.vm("08:00.0", "08:00.1"),
    conf("", "libvirt-qemu"),
    Parts(stats={"/dev/vfio/vfio": hosts.CHAR_NODE}),
)
# Debian's policy, which lets a VM open a device of that type, and not map it.
DEFAULT_POLICY = file("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=default\n")
CONFINED = MONOLITHIC.but(
    "debian12-vm-selinux-unmapped",
    "SELinux with Debian's policy: the type is right, and no module lets VMs map it",
    selinux(SVIRT),
    DEFAULT_POLICY,
    Parts(gone=("/sys/module/apparmor", "/etc/apparmor.d")),
)
NO_UNITS = (
    *("/usr/lib/systemd", "/etc/systemd", "/run/systemd", "/lib/systemd"),
    *("/sys/module/apparmor", "/etc/apparmor.d"),
)
SV, LINKED = "/etc/sv/libvirtd", "/etc/runit/runsvdir/default/libvirtd"
VOID = MONOLITHIC.but(
    "healthy-void-vm",
    "runit starts libvirtd, and its boot reads modules-load.d",
    Parts(gone=NO_UNITS),
    file("/etc/os-release", 'NAME="Void"\nID="void"\nPRETTY_NAME="Void Linux"\n'),
    file(f"{SV}/run", "#!/bin/sh\nexec libvirtd\n"),
    Parts(stats={LINKED: hosts.link(SV)}, folders=("/run/runit",)),
)
GENTOO = MONOLITHIC.but(
    "healthy-gentoo-vm",
    "OpenRC starts libvirtd, by a link in the runlevel default",
    Parts(gone=NO_UNITS),
    file("/etc/os-release", "NAME=Gentoo\nID=gentoo\nPRETTY_NAME=Gentoo\n"),
    file("/etc/init.d/libvirtd", "#!/sbin/openrc-run\n"),
    Parts(
        stats={
            "/etc/runlevels/default/libvirtd": hosts.link("/etc/init.d/libvirtd"),
        },
        folders=("/run/openrc",),
    ),
)
APPARMOR = "/etc/apparmor.d"
HOOK_FILE = f"{APPARMOR}/local/abstractions/libvirt-qemu"
LOCAL = MONOLITHIC.but(
    "healthy-debian12-vm-local",
    "libvirt 9, which includes the file of one's own whether it is there or not",
    Parts(gone=(f"{APPARMOR}/abstractions/libvirt-qemu.d",)),
    file(
        f"{APPARMOR}/abstractions/libvirt-qemu",
        "  /dev/kvm rw,\n  #include <local/abstractions/libvirt-qemu>\n",
    ),
    file(HOOK_FILE, "/dev/kvmfr0 rw,\n"),
)
CLIENT = "/home/alice/.config/looking-glass/client.ini"
HOSTS = (
    MODULAR,
    MODULAR.but(
        "bluefin-vm-client-elsewhere",
        "F86: the client still opens the memory of before kvmfr",
        file(CLIENT, "[app]\nshmFile=/dev/shm/looking-glass\n"),
    ),
    MONOLITHIC,
    OWN_MEMORY,
    MODULAR.but(
        "bluefin-vm-default-list",
        "F77: qemu.conf as shipped, so that libvirt's own list is in force",
        conf(""),
    ),
    MODULAR.but(
        "bluefin-vm-short-list",
        "F77: whoever wrote the list took what their own VM needs",
        conf('cgroup_device_acl = [ "/dev/kvm", "/dev/kvmfr0" ]\n'),
    ),
    MODULAR.but(
        "bluefin-vm-comment-in-list",
        "corpus guide-zh-inline-comment: a comment inside of the list",
        conf(
            'cgroup_device_acl = [\n    "/dev/null", # wanted\n    "/dev/kvmfr0"\n]\n'
        ),
    ),
    MODULAR.but(
        "bluefin-vm-namespaces-text",
        "namespaces without brackets: libvirt wants a list of texts",
        conf(OWN_LIST + 'namespaces = "mount"\n'),
    ),
    MODULAR.but(
        "bluefin-vm-other-driver",
        "qemu.conf from a Debian guide: it asks for AppArmor, which is not on",
        conf(OWN_LIST + 'security_driver = "apparmor"\n'),
        Parts({"/sys/module/apparmor/parameters/enabled": "N\n"}),
    ),
    CONFINED,
    CONFINED.but(
        "healthy-debian12-vm-selinux",
        "as before, with the module that lets VMs map it",
        file("/var/lib/selinux/default/active/modules/400/vfio-doctor-kvmfr/cil", ""),
    ),
    VOID,
    VOID.but(
        "void-vm-daemon-not-linked",
        "runit has libvirtd, and nobody linked it",
        Parts(gone=(LINKED,), folders=("/etc/runit/runsvdir/default",)),
    ),
    GENTOO,
    GENTOO.but(
        "gentoo-vm-daemon-not-added",
        "OpenRC has libvirtd, and nobody added it to a runlevel",
        Parts(
            gone=("/etc/runlevels/default/libvirtd",),
            folders=("/etc/runlevels/default",),
        ),
    ),
    MODULAR.but(
        "bluefin-vm-daemon-not-enabled",
        "L1: nobody enabled virtqemud",
        Parts(gone=(f"{OWN_UNITS}/sockets.target.wants",)),
    ),
    MODULAR.but(
        "bluefin-vm-daemon-masked",
        "L3: virtqemud is masked since libvirtd was to be used",
        Parts(stats={f"{OWN_UNITS}/virtqemud.service": hosts.link("/dev/null")}),
    ),
    MODULAR.but(
        "bluefin-vm-private-devices",
        "N4: a hardened unit has a /dev of its own, without /dev/kvm",
        passthrough.drop_in("PrivateDevices=yes"),
    ),
    MODULAR.but(
        "healthy-bluefin-vm-idle-private-devices",
        "the same in the unit of the daemon that nothing starts",
        programs("libvirtd"),
        file(
            f"{OWN_UNITS}/libvirtd.service.d/hardening.conf",
            "[Service]\nPrivateDevices=yes\n",
        ),
    ),
    MODULAR.but(
        "bluefin-vm-two-daemons",
        "L4: libvirtd and virtqemud are both enabled",
        programs("libvirtd"),
        enabled("libvirtd.service"),
    ),
    MODULAR.but(
        "bluefin-vm-device-t",
        "S5: the device has the type that nothing gave it",
        selinux(PLAIN),
    ),
    MONOLITHIC.but(
        "debian12-vm-apparmor",
        "F91: no rule of AppArmor's opens the device",
        Parts(gone=("/etc/apparmor.d/abstractions/libvirt-qemu.d",)),
    ),
    LOCAL,
    LOCAL.but(
        "debian12-vm-no-local-file",
        "whoever cleaned up deleted the file that libvirt 9 has to include",
        Parts(gone=(HOOK_FILE,), folders=(f"{APPARMOR}/local/abstractions",)),
    ),
    MONOLITHIC.but(
        "debian12-vm-no-second-device",
        "X02: the VM maps a second device, which has no size",
        vm(64, "/dev/kvmfr1"),
        conf(OWN_LIST.replace("kvmfr0", 'kvmfr0", "/dev/kvmfr1'), "libvirt-qemu"),
        apparmor("/dev/kvmfr[0-9]* rw,\n"),
    ),
    MONOLITHIC.but(
        "debian12-vm-emulator-gone",
        "the QEMU that the VM names was removed",
        Parts(gone=("/usr/bin/qemu-system-x86_64",)),
    ),
    OWN_MEMORY.but(
        "debian12-shared-memory-unmade",
        "nothing makes the file before QEMU does",
        Parts(gone=("/etc/tmpfiles.d/10-looking-glass.conf",)),
    ),
    PASSED.but(
        "debian12-vfio-node-closed",
        "a rule of one's own makes /dev/vfio/vfio 0600",
        Parts(stats={"/dev/vfio/vfio": hosts.CHAR_NODE._replace(mode=0o600)}),
    ),
    PASSED,
)
