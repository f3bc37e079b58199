"""A guest with Debian's own libvirt, QEMU and AppArmor, and a VM inside of it.

Debian 12 has one daemon for all drivers, trixie one for QEMU alone. QEMU in the
guest is emulated twice: its VM is a few bytes that write Looking Glass's header.
"""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import NamedTuple

from e2e import images
from e2e.images import Suite
from e2e.vm import Done, Machine

PACKAGES = (
    *("libvirt-daemon-system", "libvirt-clients", "qemu-system-x86"),
    *("apparmor", "systemd-container"),
)
SIZE = "1000M"
QEMU = 64055  # of libvirt-qemu, on every Debian
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


# Account, confinement, and the device in the VM's own /dev and on the host.
RUNS = """
grep -E '^(Uid|Groups)' /proc/{pid}/status; echo --
cat /proc/{pid}/attr/current; echo --
stat -c '%F %t:%T %U:%G %a' /proc/{pid}/root/dev/kvmfr0; echo --
stat -c '%F %t:%T %U:%G %a' /dev/kvmfr0
"""
# As Looking Glass's client: map the device, look for the header of the other side.
READER = """
import mmap, os, struct, time
memory = mmap.mmap(os.open("/dev/kvmfr0", os.O_RDWR), 1 << 26, mmap.MAP_SHARED)
for _ in range(240):
    at = memory.find(b"KVMFR---", 0, 1 << 20)
    if at >= 0 and memory[at + 12]:
        break
    time.sleep(1)
protocol, version = struct.unpack("<I32s", memory[at + 8 : at + 44])
print("KVMFR", protocol, version.rstrip(bytes(1)).decode())
"""
HEADER = "KVMFR 20 B7-e2e"


class Running(NamedTuple):
    """A VM's QEMU: its account, its AppArmor profile, its device and the host's."""

    uid: int
    groups: set[int]
    profile: str
    node: str
    host_node: str


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
        furnish(target)
        if DAEMON[name] == "virtqemud":
            _modular(target)

    return images.kept(f"tree-libvirt-{name}-{key}", build)


def furnish(root: Path) -> None:
    """Put people, units, modules and the VM's kernel into a root file system."""
    _people(root)
    images._units(root)
    images.add_modules(root)
    place = root / KERNEL.lstrip("/")
    shutil.copy(writer(), place)
    place.chmod(0o644)
    # Each program of QEMU is asked what it can do, and that takes its time.
    (root / "usr/bin/qemu-system-i386").unlink(missing_ok=True)


def _modular(root: Path) -> None:
    units = root / "usr/lib/systemd/system"
    for left in (
        *units.glob("libvirtd*"),
        *root.glob("etc/systemd/system/*/libvirtd*"),
    ):
        left.unlink()
    (root / "usr/sbin/libvirtd").rename(root / "usr/sbin/virtqemud")
    for unit, path, inside, mode in SOCKETS:
        text = SOCKET_UNIT.format(path=path, inside=inside, mode=mode)
        (units / f"{unit}.socket").write_text(text)
    (units / "virtqemud.service").write_text(SERVICE_UNIT)
    # libvirt asks whether a profile of its daemon's own name is loaded.
    folder = root / "etc/apparmor.d"
    for name in ("usr.sbin.libvirtd", "abstractions/libvirt-qemu"):
        text = (folder / name).read_text().replace("libvirtd", "virtqemud")
        (folder / name).write_text(text)
    (folder / "usr.sbin.libvirtd").rename(folder / "usr.sbin.virtqemud")
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

    def __init__(self, name: str, *words: str, image: Path | None = None) -> None:
        """Copy the disk; start nothing yet."""
        super().__init__(image or disk(name), "intel", " ".join(words))
        self.daemon = DAEMON[name]
        mode = "?mode=direct" if self.daemon == "virtqemud" else ""
        self.uri = f"qemu:///system{mode}"

    def virsh(self, *words: str) -> Done:
        """Ask libvirt's daemon; the first answer takes long, as it looks at QEMU."""
        return self.run("virsh", "-c", self.uri, *words, limit=600)

    def define(self, text: str = "") -> None:
        """Have libvirt know a VM."""
        self.put("/tmp/vm.xml", text or domain())
        done = self.virsh("define", "/tmp/vm.xml")
        assert done.status == 0, done

    def refusal(self, name: str = VM) -> str:
        """Start the VM; return what libvirt said if it did not start, else ""."""
        done = self.virsh("start", name)
        return done.stderr.strip() if done.status else ""

    def stop(self, name: str = VM) -> None:
        """Switch the VM off."""
        done = self.virsh("destroy", name)
        assert done.status == 0, done

    def running(self, name: str = VM) -> Running:
        """Return how the VM's QEMU runs."""
        pid = int(self.get(f"/run/libvirt/qemu/{name}.pid"))
        text = self.shell(RUNS.format(pid=pid))
        status, confined, node, host = text.split("--\n")
        fields = dict(line.split(":", 1) for line in status.splitlines())
        uid, groups = fields["Uid"].split()[0], fields["Groups"].split()
        return Running(int(uid), {*map(int, groups)}, confined.strip(), node, host)

    def header(self, user: str) -> str:
        """Return what a person's client would find in the device; "" if refused."""
        done = self.run("python3", "-c", READER, user=user, limit=300)
        return done.stdout.strip()
