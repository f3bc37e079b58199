"""Which kind of value each setting of qemu.conf takes; another is refused.

libvirt then starts no QEMU driver at all (qemu_conf.c). Names that it does not know
are ignored, and so is ``clear_emulator_capabilities`` since 5.7. The kinds are those
of libvirt 9 to 11; what only the newer ones know, older ones ignore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.parse.libvirt_conf import LibvirtConf, Setting

TEXT, FLAG, COUNT, NUMBER = "text", "flag", "count", "number"
LIMIT, TEXTS, TEXT_OR_TEXTS = "limit", "texts", "text-or-texts"
WORD = "word"
_NAMES = {
    TEXT: """
        auto_dump_path auto_shutdown_poweroff auto_shutdown_try_save
        auto_shutdown_try_shutdown backup_tls_x509_cert_dir
        backup_tls_x509_secret_uuid bridge_helper chardev_tls_x509_cert_dir
        chardev_tls_x509_secret_uuid dbus_daemon default_tls_x509_cert_dir
        default_tls_x509_secret_uuid deprecation_behavior dump_image_format group
        lock_manager memory_backing_dir migrate_tls_x509_cert_dir
        migrate_tls_x509_secret_uuid migration_address migration_host
        nbd_tls_x509_cert_dir nbd_tls_x509_secret_uuid pr_helper save_image_format
        sched_core slirp_helper snapshot_image_format spice_listen spice_password
        spice_sasl_dir spice_tls_x509_cert_dir stdio_handler swtpm_group swtpm_user
        user vnc_listen vnc_password vnc_sasl_dir vnc_tls_x509_cert_dir
        vnc_tls_x509_secret_uuid vxhs_tls_x509_cert_dir vxhs_tls_x509_secret_uuid
        """,
    FLAG: """
        allow_disk_format_probing auto_dump_bypass_cache auto_save_bypass_cache
        auto_shutdown_restore auto_start_bypass_cache backup_tls_x509_verify
        chardev_tls chardev_tls_x509_verify default_tls_x509_verify dump_guest_core
        dynamic_ownership log_timestamp mac_filter migrate_tls_force
        migrate_tls_x509_verify nbd_tls nographics_allow_host_audio
        relaxed_acs_check remember_owner security_default_confined
        security_require_confined set_process_name spice_auto_unix_socket spice_sasl
        spice_tls storage_use_nbdkit virtiofsd_debug vnc_allow_host_audio
        vnc_auto_unix_socket vnc_sasl vnc_tls vnc_tls_x509_verify vxhs_tls
        """,
    COUNT: """
        auto_shutdown_wait auto_start_delay gluster_debug_level keepalive_count
        max_files max_processes max_queued max_threads_per_process
        migration_port_max migration_port_min remote_display_port_max
        remote_display_port_min remote_websocket_port_max remote_websocket_port_min
        """,
    NUMBER: "keepalive_interval seccomp_sandbox",
    LIMIT: "max_core",
    TEXTS: """
        capability_filters cgroup_controllers cgroup_device_acl namespaces nvram
        shared_filesystems
        """,
    TEXT_OR_TEXTS: "hugetlbfs_mount security_driver",
}
KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}
RANGES = {
    FLAG: (0, 1),
    COUNT: (0, (1 << 32) - 1),
    NUMBER: (-(1 << 31), (1 << 31) - 1),
    LIMIT: (0, (1 << 64) - 1),
}
# Of these libvirt refuses any other word.
WORDS = {
    "namespaces": ("mount",),
    "security_driver": ("none", "selinux", "apparmor"),
    "cgroup_controllers": (
        *("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio"),
        *("net_cls", "perf_event", "name=systemd"),
    ),
    "stdio_handler": ("logd", "file"),
    "sched_core": ("none", "vcpus", "emulator", "full"),
}


class ConfMistake(NamedTuple):
    """A setting that libvirt refuses, the kind that it takes, and words of it."""

    setting: Setting
    kind: str
    words: tuple[str, ...] = ()


def mistake(conf: LibvirtConf) -> ConfMistake | None:
    """Return the first setting in force that libvirt refuses."""
    seen: set[str] = set()
    for setting in conf.settings:
        kind = KINDS.get(setting.key, "")
        if not kind or setting.key in seen:
            continue
        seen.add(setting.key)
        if not _is(kind, setting):
            return ConfMistake(setting, kind)
        words = WORDS.get(setting.key, ())
        if words and set(_texts(setting)) - set(words):
            return ConfMistake(setting, WORD, words)
    return None


def _texts(setting: Setting) -> tuple[str, ...]:
    value = setting.value
    return value if isinstance(value, tuple) else (str(value),)


def _is(kind: str, setting: Setting) -> bool:
    value = setting.value
    if isinstance(value, tuple):
        return kind in (TEXTS, TEXT_OR_TEXTS) and setting.only_texts
    if isinstance(value, str):
        limit = kind == LIMIT and value == "unlimited"
        return kind in (TEXT, TEXT_OR_TEXTS) or limit
    least, most = RANGES.get(kind, (1, 0))
    return least <= value <= most
