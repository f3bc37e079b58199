"""Fixes of kernel arguments."""
