"""Tests of ``netparity.system``."""
