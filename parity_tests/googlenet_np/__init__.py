"""Tests of ``googlenet_np``."""
