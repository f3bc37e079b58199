"""Fixes of libvirt's system instance."""
