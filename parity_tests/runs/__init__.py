"""Tests of ``netparity.runs``."""
