"""Values in frames and typed lines: names, addresses, ids, durations, choices, texts; they know no frame."""
