"""What teaches: simulated data with their truth, pooling side by side, one model in many forms."""
