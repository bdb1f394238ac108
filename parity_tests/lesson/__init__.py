"""Tests of what the site teaches: differences, exercises, results."""
