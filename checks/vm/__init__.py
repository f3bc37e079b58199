"""Checks of the definitions of VMs."""
