"""Maps from inside a network, for runs that hold their PyTorch model."""
