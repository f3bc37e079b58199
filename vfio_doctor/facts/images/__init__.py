"""Initramfs images: what makes them, what they hold, and what they load first."""
