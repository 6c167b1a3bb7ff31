"""Tests of certificates and limits."""
