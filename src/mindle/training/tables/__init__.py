"""How a model of a table comes to be: learners, cross-validation, and the selection among them.

Calls are imported from their module: `from mindle.training.tables.selection import fit_table`.
"""
