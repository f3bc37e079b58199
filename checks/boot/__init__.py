"""Checks of the kernel arguments, the IOMMU and the next boot."""
