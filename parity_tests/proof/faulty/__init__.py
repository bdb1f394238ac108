"""Backends that do one thing wrong: the NumPy one, and real frameworks set up as people do it by mistake."""
