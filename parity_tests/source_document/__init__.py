"""The source document's own networks, as its three tabs define them, for the tests of its checkpoints."""
