"""Checks of libvirt's system instance."""
