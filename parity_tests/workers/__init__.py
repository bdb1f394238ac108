"""Tests of ``netparity.workers``."""
