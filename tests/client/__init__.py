"""Tests of ``chatcli.client``."""
