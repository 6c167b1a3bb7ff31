"""Tests of delivery in ``chatcli send``."""
