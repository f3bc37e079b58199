"""Tools that make initramfs images: one module a tool, all of them in `selection`."""
