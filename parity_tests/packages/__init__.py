"""Tests of ``googlenet_torch``, ``googlenet_tf`` and ``googlenet_mx``, apart and side by side."""
