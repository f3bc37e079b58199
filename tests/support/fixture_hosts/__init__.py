"""The fixture hosts: captured ones are files, the others are made in memory.

A host that is made is hardware + a system + what somebody did to it. Everything that a
part does not name is proven absent on that host. `catalogue` has all of them by name,
`verdicts` how the rules end on them.
"""
