"""Which sizes kvmfr may have: the one place that knows, for option, fix and check.

Numbers only: the command line reads them at every start.
"""

from __future__ import annotations

# In MiB. A 1920x1080 picture needs 32; the module's arithmetic ends below 2048.
SMALLEST, LARGEST = 32, 1024
TOO_LARGE = 2048
# Holds 3840x2160: the size if nothing is known of the monitors.
USUAL = 128


def is_power_of_two(mib: int) -> bool:
    """Tell whether QEMU takes a size."""
    return mib > 0 and not mib & (mib - 1)


def is_good_size(mib: int) -> bool:
    """Tell whether the module, QEMU and the picture all take a size."""
    return SMALLEST <= mib <= LARGEST and is_power_of_two(mib)
