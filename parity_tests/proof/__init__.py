"""What searches rather than tests: faults, mutations, soundness, fuzzing, kills (``make proof``)."""
