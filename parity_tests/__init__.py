"""The test suite; it ships with the packages: ``pytest --pyargs parity_tests``."""
