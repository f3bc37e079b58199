"""PCI functions, their groups, who is meant for a VM and what the host must keep."""
