"""What lies on disk: weights, traces, checkpoints, pictures, and the formats of others."""
