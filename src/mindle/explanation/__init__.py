"""Where a model looks for its answer, and whether its maps can be trusted."""
