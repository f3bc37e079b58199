"""libvirt's system instance: its settings, its daemons, and what confines QEMU."""
