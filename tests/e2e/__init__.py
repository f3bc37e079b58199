"""Virtual machines with a real kernel: the doctor cures them (scripts/e2e)."""
