"""Tests of delivery for ``chatcli send``."""
