"""Tests of ``chatcli.client.ui``."""
