"""What a repository wants, from all that is in it, and the lock that gives it that.

    reading ─> Repository ─> asking ─> questions ─> answering ─> resolutions, or the no

Who does what: `reading` puts together what `selection` chooses of its files, what `code` (with
`python_imports` and `notebooks`), `images` and `wheel_addresses` find, and `hints` of the machine;
`rules` is the data that they read by. `relaxing` lets limits go where nothing fits, `refreshing`
holds what an older lock has, `history` dates it, `telling` says what was read. Files of
requirements are read by `cudalock.projects`.
"""
