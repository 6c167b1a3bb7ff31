"""Tests of ``chatcli.server.web``."""
