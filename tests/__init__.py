"""The tests, in the same tree as the package; each docstring states what holds."""
