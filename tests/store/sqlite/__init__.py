"""Tests of the log's database."""
