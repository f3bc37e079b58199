"""Checks of KVM and of the processor."""
