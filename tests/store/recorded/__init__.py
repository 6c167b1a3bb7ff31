"""A recorded stream of batches, and the proof that the log comes out the same however it is written."""
