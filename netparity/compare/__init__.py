"""Kept numbers against today's: traces, set against each other and against the reference; matrices of versions."""
