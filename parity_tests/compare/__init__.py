"""Tests of ``netparity.compare``."""
