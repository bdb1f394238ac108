"""Whether a backend computes the same: pure functions from arrays to findings."""
