"""Texts: where they come from, what their symbols are, and the order in which they are shown."""
