"""Tests of ``netparity.train`` and its commands."""
