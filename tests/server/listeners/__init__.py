"""Tests of ``chatcli.server.listeners``."""
