"""How forecasts are computed fast: packed weights, a prefix shared by all paths, one cached step at a time.

Reading order: ``reference`` (what is computed, plainly), ``packing``, ``attention``, ``stack``, ``network``, ``decoding``.
"""
