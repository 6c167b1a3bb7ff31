"""Tests of ``chatcli.gateway.web``."""
