"""Tests of ``netparity.show``."""
