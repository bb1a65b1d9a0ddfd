"""When a model should not answer alone: label sets, unknown inputs, abstention, costs."""
