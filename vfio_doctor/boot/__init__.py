"""Kernel-argument back ends, one module each."""
