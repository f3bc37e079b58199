"""Checks of the devices that are meant for a VM."""
