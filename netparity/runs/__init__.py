"""A case, one backend's calls, and all backends side by side."""
