"""Tests of names that change hands or keys, as the client knows them."""
