"""Made from the classes by `scripts/documents --write`."""

# ruff: noqa: E501
# fmt: off

CHECKS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ('vm-definition-faulty', "A VM's definition does not fit this host", 'ERROR', ()),
)
