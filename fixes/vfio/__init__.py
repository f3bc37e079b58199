"""Fixes of devices that are meant for a VM."""
