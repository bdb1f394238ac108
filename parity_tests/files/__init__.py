"""Tests of ``netparity.files`` and of the formats that the packages read and write."""
