"""Check that a set of pinned or installed projects is compatible on a target.

`judge` is the way in. `pins` are the values, `stack` selects what the matrix knows anything about,
`wheels` says what an installer may take, `single` judges one pin by itself, `query` puts all of
them to the engine, `describe` turns a conflict into a finding, `fix` finds the smallest change that
works, and `installed` is an environment as it is examined.
"""
