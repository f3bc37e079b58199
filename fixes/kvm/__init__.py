"""Fixes of KVM's modules and parameters."""
