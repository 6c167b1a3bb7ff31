"""The tests, in the same tree as the package; each states its truth in one line."""
