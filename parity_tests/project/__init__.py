"""Tests of the repository itself: rooms, guides, site, set-up."""
