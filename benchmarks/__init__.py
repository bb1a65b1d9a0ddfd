"""What mindle measures of itself; `python -m benchmarks` lists it.

A benchmark is a module with a docstring (what it measures, in its first line), `options(parser)`, which adds
its command-line options, and `measure(arguments)`, which returns what it found as JSON can hold it.
`arguments.smoke` asks for the smallest run that still goes through every line; its figures mean nothing.
Results worth showing lie in `benchmarks/results/`, as `--json` wrote them; docs/benchmarks.md shows them.
"""
