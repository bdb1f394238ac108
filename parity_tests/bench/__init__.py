"""Tests of ``netparity.bench``."""
