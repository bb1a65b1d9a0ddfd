"""Where a model looks for its answer, and whether that can be believed."""
