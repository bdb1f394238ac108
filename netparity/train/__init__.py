"""Training: epochs, checkpoints, going on after a stop; and prediction with what was trained."""
