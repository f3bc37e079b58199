"""A guest with Debian's own libvirt, QEMU and AppArmor, and a VM inside of it.

Debian 12 has one daemon for all drivers, trixie one for QEMU alone. QEMU in the
guest is emulated twice: its VM is a few bytes that write Looking Glass's header.
"""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path

from e2e import images
from e2e.images import Suite
from e2e.vm import Machine

PACKAGES = (
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86"),
    *("apparmor", "systemd-container"),
)
SIZE = "1700M"
DAEMON = {"bookworm": "libvirtd", "trixie": "virtqemud"}
# Debian builds no virtqemud. Its libvirtd under that name, with the socket and the
# units of virtqemud alone, is to its own clients and to systemd the modular daemon.
SOCKETS = (
    ("virtqemud", "virtqemud-sock", "libvirtd", "0666"),
    ("virtqemud-ro", "virtqemud-sock-ro", "libvirtd-ro", "0666"),
    ("virtqemud-admin", "virtqemud-admin-sock", "libvirtd-admin", "0600"),
)
SOCKET_UNIT = """[Socket]
ListenStream=/run/libvirt/{path}
FileDescriptorName={inside}.socket
Service=virtqemud.service
SocketMode={mode}
RemoveOnStop=yes
[Install]
WantedBy=sockets.target
"""
SERVICE_UNIT = """[Unit]
After=virtqemud.socket virtqemud-ro.socket virtqemud-admin.socket apparmor.service
Requires=virtqemud.socket virtlogd.socket
[Service]
Type=notify
ExecStart=/usr/sbin/virtqemud --timeout 120
KillMode=process
LimitMEMLOCK=64M
[Install]
WantedBy=multi-user.target
Also=virtqemud.socket virtqemud-ro.socket virtqemud-admin.socket
"""
VM = "win11"
MIB = 1 << 20
# Multiboot: 32 bits, no paging, so that the VM can write to its PCI device.
KERNEL = "/var/lib/libvirt/images/writer.elf"
SOURCE = Path(__file__).with_name("writer")
DOMAIN = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><kernel>{kernel}</kernel></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <video><model type='none'/></video>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-device'/>
    <qemu:arg value="{{'driver':'ivshmem-plain','id':'shmem0','memdev':'looking-glass'}}"/>
    <qemu:arg value='-object'/>
    <qemu:arg value="{{'qom-type':'memory-backend-file','id':'looking-glass','mem-path':'{node}','size':{size},'share':true}}"/>
  </qemu:commandline>
</domain>
"""  # noqa: E501 - QEMU's arguments have no line ends


def domain(name: str = VM, node: str = "/dev/kvmfr0", mib: int = 64) -> str:
    """Return the definition of a VM that maps a device."""
    return DOMAIN.format(name=name, kernel=KERNEL, node=node, size=mib * MIB)


def writer() -> Path:
    """Return the VM's kernel, built on this machine."""

    def build(target: Path) -> None:
        target.mkdir()
        images.run(
            *("gcc", "-m32", "-ffreestanding", "-nostdlib", "-static", "-fno-pic"),
            *("-no-pie", "-O1", "-fno-stack-protector", "-Wl,--build-id=none"),
            *("-Wl,-z,noseparate-code", "-Wl,-Ttext=0x100000", "-o"),
            *(target / "writer.elf", SOURCE / "writer.c"),
        )

    text = (SOURCE / "writer.c").read_text()
    return images.kept(f"tree-writer-{images.key_of(text)}", build) / "writer.elf"


def rootfs(name: str) -> Path:
    """Return Debian with libvirt's packages as they come; never change it, copy it."""
    suite = Suite(name, PACKAGES)
    key = images.key_of(suite, images.BASE, inspect.getsource(images._bootstrap))
    return images.kept(
        f"rootfs-libvirt-{name}-{key}", lambda target: images._bootstrap(suite, target)
    )


def tree(name: str) -> Path:
    """Return it with people, units, modules and the VM's kernel."""
    base, kernel = rootfs(name), writer()
    parts = (base, kernel, images.kvmfr_module(), images.MODULES, images.UNITS_OFF)
    agent = (images.HERE / "agent.py").read_text()
    key = images.key_of(*parts, agent, Path(__file__).read_text())

    def build(target: Path) -> None:
        images.run("cp", "-a", base, target)
        _people(target)
        images._units(target)
        if DAEMON[name] == "virtqemud":
            _modular(target)
        images.add_modules(target)
        place = target / KERNEL.lstrip("/")
        shutil.copy(kernel, place)
        place.chmod(0o644)
        # Each program of QEMU is asked what it can do, and that takes its time.
        (target / "usr/bin/qemu-system-i386").unlink(missing_ok=True)

    return images.kept(f"tree-libvirt-{name}-{key}", build)


def _modular(root: Path) -> None:
    units = root / "usr/lib/systemd/system"
    for path in (*units.glob("libvirtd*"), *root.glob("etc/systemd/system/*/libvirtd*")):
        path.unlink()
    (root / "usr/sbin/libvirtd").rename(root / "usr/sbin/virtqemud")
    for unit, path, inside, mode in SOCKETS:
        text = SOCKET_UNIT.format(path=path, inside=inside, mode=mode)
        (units / f"{unit}.socket").write_text(text)
    (units / "virtqemud.service").write_text(SERVICE_UNIT)
    profile = root / "etc/apparmor.d/usr.sbin.libvirtd"
    text = profile.read_text().replace(
        "profile libvirtd /usr/sbin/libvirtd", "profile libvirtd /usr/sbin/virtqemud"
    )
    profile.write_text(text)
    images.run("chroot", root, "systemctl", "enable", "virtqemud.socket")


def _people(root: Path) -> None:
    for name, uid in (("alice", images.ALICE), ("bob", images.BOB)):
        images.run(
            *("chroot", root, "useradd", "-m", "-U", "-s", "/bin/sh"),
            *("-u", str(uid), name),
        )


def disk(name: str) -> Path:
    """Return its disk, which has no boot loader."""
    root = tree(name)
    return images.kept(
        f"disk-{root.name}.img", lambda path: images.disk(root, path, SIZE)
    )


class LibvirtMachine(Machine):
    """Has one VM, and tells how it runs."""

    def __init__(self, name: str, *words: str) -> None:
        """Copy the disk; start nothing yet."""
        super().__init__(disk(name), "intel", " ".join(words))
        self.daemon = DAEMON[name]

    def define(self, text: str) -> None:
        """Have libvirt know a VM."""
        self.put("/tmp/vm.xml", text)
        self.shell("virsh -c qemu:///system define /tmp/vm.xml", limit=300)

    def starts(self, name: str = VM) -> str:
        """Start the VM; return what libvirt said if it did not start, else ""."""
        done = self.run("virsh", "-c", "qemu:///system", "start", name, limit=300)
        return done.stderr.strip() if done.status else ""

    def stop(self, name: str = VM) -> None:
        """Switch the VM off."""
        self.shell(f"virsh -c qemu:///system destroy {name}", limit=120)

    def pid(self, name: str = VM) -> int:
        """Return the process of its QEMU."""
        for folder in ("/run/libvirt/qemu", "/var/run/libvirt/qemu"):
            done = self.run("cat", f"{folder}/{name}.pid")
            if not done.status:
                return int(done.stdout)
        raise AssertionError(f"{name} does not run")

    def status(self, pid: int, field: str) -> list[str]:
        """Return a line of a process's status, as `Uid` or `Groups`."""
        text = self.shell(f"cat /proc/{pid}/status")
        found = re.search(rf"^{field}:(.*)$", text, re.M)
        assert found is not None, text
        return found[1].split()
