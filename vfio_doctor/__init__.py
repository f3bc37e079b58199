"""Diagnose and repair VFIO passthrough and Looking Glass (KVMFR) hosts."""

__version__ = "0.1.0"
