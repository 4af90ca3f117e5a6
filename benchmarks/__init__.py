"""How fast is it, next to what it is made of?  `python -m benchmarks` measures; README.md says how to read it.

Only ratios within one run count: each benchmark measures zennotify and a floor in turns, on the same cores.
"""
