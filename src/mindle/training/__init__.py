"""How a model is trained: recipes, the loop, features, heads, model selection, search."""
