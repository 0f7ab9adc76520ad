"""One reader for each kind of lock: `pylock`, `uv`, `poetry`, `pdm`, and `kernels`, which limits.

`entries` reads what they share, `graph` follows a lock's edges for a target, `lock_pins` and
`locked_wheels` are what a lock pins, `own` tells a lock of cudalock's from other files.
"""
