"""The recipes of the fixture hosts: `scripts/fixtures` writes them as captures.

A host is hardware + a system + what somebody did to it. Everything that a part
does not name is proven absent on that host.
"""
