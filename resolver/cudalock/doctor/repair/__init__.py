"""Fix an environment by its findings, with a way back.

`plan` decides what is installed and removed, `wheels` finds the files for it, `rollback` saves what
is replaced and brings it back, `installer` runs pip or uv, and `run` does it all in order.
"""
