"""Build with setuptools, without what an earlier build left in build/.

setuptools packs what it finds there: modules that were renamed since came along, and
every rule was there twice.
"""

import shutil
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

build_editable = build_meta.build_editable


def build_wheel(*args: Any, **kwargs: Any) -> str:
    """Build a wheel, from nothing but the source; its name is returned."""
    for left in Path("build").glob("*"):
        if left.name == "lib" or left.name.startswith(("lib.", "bdist.")):
            shutil.rmtree(left)
    return build_meta.build_wheel(*args, **kwargs)
