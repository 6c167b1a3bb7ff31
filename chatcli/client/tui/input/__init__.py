"""The input line: keys, drafts, history, completion and quick answers; it knows nothing of how messages are printed."""
