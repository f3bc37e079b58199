"""One module a kind of repair, one class a fix."""
