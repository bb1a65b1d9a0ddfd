"""What a model is held to before its release, measured on corrupted data."""
