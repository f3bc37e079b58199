"""One module an area, one class a rule."""
