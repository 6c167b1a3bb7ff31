"""Tests of ``chatcli.server.connection``."""
