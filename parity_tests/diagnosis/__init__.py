"""Tests of ``netparity.diagnosis``."""
