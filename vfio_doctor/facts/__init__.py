"""Typed, frozen facts, computed once from a reader."""
