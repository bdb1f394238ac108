"""Tests of ``netparity.verdict``."""
