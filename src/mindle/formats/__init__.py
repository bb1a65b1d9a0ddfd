"""A trained model in other forms, and the proof that its answers stayed the same."""
