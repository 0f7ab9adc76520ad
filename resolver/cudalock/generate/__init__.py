"""What a repository wants, from all that is in it, and the lock that gives it that.

    read ─> Repository ─> queries ─> solve ─> resolutions, or the no

Who does what: `read` puts together what `select_files` chooses of its files, what `code` (with
`imports` and `notebooks`), `images` and `wheel_urls` find, and `hints` of the machine;
`rules` is the data that they read by. `relax` lets limits go where nothing fits, `update_lock`
holds what an older lock has, `git` dates it, `report` says what was read. Files of
requirements are read by `cudalock.projects`.
"""
