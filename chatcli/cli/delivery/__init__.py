"""Delivery for ``chatcli send``: knows no options."""
