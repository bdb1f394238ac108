"""Tests of ``netparity.testing``."""
