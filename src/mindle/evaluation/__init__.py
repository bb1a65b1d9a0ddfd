"""Scoring answers: scores with intervals, calibration, comparisons, and the report.

NumPy throughout, SciPy where a search is needed; it is given `Answers`, never a model.
"""
