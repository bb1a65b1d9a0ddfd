"""What mindle measures of itself; `python -m benchmarks` lists it.

A benchmark is a module with a docstring (what it measures, in its first line), `options(parser)`, which adds
its command-line options, and `measure(arguments)`, which returns what it found as JSON can hold it.
`arguments.smoke` asks for the smallest run that still goes through every line; its figures mean nothing.
Results worth showing lie in `benchmarks/results/`, as `--json` wrote them; docs/benchmarks.md shows them.

What is compared takes turns in one run (`benchmarks/_turns.py`): each `Side` is a function or a command,
ours first, and `in_turn(sides, rounds=5)` gives medians, the ratio of our speed to each other side's with
its spread, and every round. A side of `units` images or rows is compared by one of them; a side that times
itself returns `{"seconds": …}`.
A rival is a script in `benchmarks/rivals` that ends with one line of JSON: `rival(arguments, "keras", "fit")`
is a side that runs it in the environment `keras` below `--peers DIR`, or one that is skipped with the reason.
`_turns.options(parser)` adds `--rounds` and `--peers`.
Each result holds the machine, its load before and after, and the share of it that others used.
"""
