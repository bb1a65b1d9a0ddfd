"""How a model of a table comes to be: learners, passes of cross-validation, the ladder over them, a search.

Calls are imported from their module: `from mindle.training.tables.selection import fit_table`.
"""
