"""Checks of the kvmfr module, its device and its rules."""
