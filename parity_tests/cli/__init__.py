"""Tests of ``netparity.cli``."""
