"""The documents that are made from the code: rule pages, CLI reference, man page."""
