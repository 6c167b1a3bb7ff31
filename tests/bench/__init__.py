"""Tests of what measures: its shape and what it counts, never how fast anything is."""
