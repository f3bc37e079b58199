"""The kvmfr module, its devices, its rules, and who wants it."""
