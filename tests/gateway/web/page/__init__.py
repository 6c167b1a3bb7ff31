"""Tests of the server's pages."""
