"""Images: sources, decoding, checks, pixels."""
