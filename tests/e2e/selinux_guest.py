"""A guest with libvirt and Debian's own SELinux policy, its files labelled."""

from __future__ import annotations

import inspect
from pathlib import Path

from e2e import images, libvirt_guest
from e2e.images import Suite
from e2e.libvirt_guest import LibvirtMachine

PACKAGES = (
    *libvirt_guest.PACKAGES,
    *("selinux-policy-default", "policycoreutils", "policycoreutils-python-utils"),
    "selinux-utils",
)
WORDS = ("security=selinux", "selinux=1", "enforcing=0")
# What the policy lacks for Debian's own libvirt and an emulated VM, and nothing of
# kvmfr. The daemons are not enforced, what QEMU runs as is.
LOCAL = """(typepermissive virtd_t)
(typepermissive virtlogd_t)
(typepermissive virsh_t)
(allow systemd_logind_t virtd_t (dbus (send_msg)))
(allow systemd_machined_t virtd_t (dbus (send_msg)))
(allow svirt_t self (anon_inode (create map read write)))
(allow svirt_t self (process (execmem)))
(allow svirt_t sysfs_t (file (read open getattr)))
(allow svirt_t sysfs_t (lnk_file (read)))
(allow svirt_t virt_content_t (file (map)))
"""
# setfiles goes through /proc; the mount ends with its namespace.
LABEL = """
mount -t proc proc "$0/proc"
chroot "$0" setfiles -F /etc/selinux/default/contexts/files/file_contexts /
"""
SIZE = "1300M"


def tree() -> Path:
    """Return the root file system with people, units, modules and labels."""
    suite = Suite("bookworm", PACKAGES)
    parts = (suite, images.BASE, images.kvmfr_module(), images.MODULES)
    sources = (inspect.getsource(images._bootstrap), Path(__file__).read_text())
    agent = (images.HERE / "agent.py").read_text()
    key = images.key_of(*parts, *sources, agent, libvirt_guest.writer())

    def build(target: Path) -> None:
        images._bootstrap(suite, target)
        libvirt_guest.furnish(target)
        (target / "usr/lib/e2e/local.cil").write_text(LOCAL)
        # What is loaded here is another kernel's policy, if it has any.
        images.run(
            *("chroot", target, "semodule", "-n", "-i", "/usr/lib/e2e/local.cil")
        )
        images.run("unshare", "-m", "sh", "-ec", LABEL, target)

    return images.kept(f"tree-selinux-{key}", build)


def disk() -> Path:
    """Return its disk, which has no boot loader."""
    root = tree()
    return images.kept(
        f"disk-{root.name}.img", lambda path: images.disk(root, path, SIZE)
    )


class SelinuxMachine(LibvirtMachine):
    """Comes up permissive, so that it can be prepared; then `enforce`."""

    def __init__(self, *words: str) -> None:
        """Copy the disk; start nothing yet."""
        super().__init__("bookworm", *WORDS, *words, image=disk())

    def enforce(self) -> None:
        """Have the kernel enforce the policy."""
        self.shell("setenforce 1; test $(getenforce) = Enforcing")

    def label(self, path: str = "/dev/kvmfr0") -> str:
        """Return the type that a file has."""
        return self.shell(f"stat -c %C {path}").split(":")[2]
