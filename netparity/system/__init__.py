"""Processor, memory, threads, streams. NumPy at most is imported here."""
