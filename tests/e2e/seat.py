"""A person at the screen: autologin on tty1 makes a real session on seat0."""

from __future__ import annotations

from e2e.vm import Machine

DROP_IN = "/etc/systemd/system/getty@tty1.service.d/autologin.conf"
LOG_IN = """
rm -f /etc/systemd/system/getty@tty1.service
systemctl daemon-reload
systemctl start --no-block systemd-logind.service getty@tty1.service
n=0
while [ "$(loginctl show-seat seat0 -p ActiveSession --value)" = "" ]; do
    n=$((n+1)); [ $n -lt 120 ] || { loginctl; systemctl status getty@tty1; exit 1; }
    sleep 0.5
done
udevadm settle
"""
SESSION = "loginctl show-seat seat0 -p ActiveSession --value"


def log_in(machine: Machine, user: str = "alice") -> str:
    """Log a user in on tty1; return the id of the session active on seat0.

    Raises `GuestError` where the seat has no active session after a minute. The
    guest logs that user in at its next boots too.
    """
    start = f"ExecStart=-/sbin/agetty --autologin {user} --noclear %I linux"
    machine.put(DROP_IN, f"[Service]\nExecStart=\n{start}\n")
    machine.shell(LOG_IN, limit=90)
    return machine.shell(SESSION).strip()


def log_out(machine: Machine) -> None:
    """End whatever is on tty1, and let nobody log in there again."""
    machine.shell(f"rm {DROP_IN}; systemctl daemon-reload; systemctl stop getty@tty1")


def access(machine: Machine, node: str = "/dev/kvmfr0") -> dict[str, str]:
    """Return the ACL of a node, as `getfacl` names its entries: who -> rights."""
    text = machine.shell(f"getfacl -cp {node}")
    lines = [line.split("#")[0].strip() for line in text.splitlines() if line.strip()]
    return {who: rights for who, _, rights in (x.rpartition(":") for x in lines)}


def opens(machine: Machine, user: str, node: str = "/dev/kvmfr0") -> bool:
    """Tell whether a process of that user can open the node for reading and writing."""
    script = f"exec 3<>{node}"
    return machine.run("sh", "-c", script, user=user).status == 0
