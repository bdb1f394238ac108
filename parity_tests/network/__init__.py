"""Tests of ``netparity.network``."""
