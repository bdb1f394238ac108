"""Results as table, JSON, JUnit, page and plot: one writer for each."""
