"""What a repository requires, from all that is in it, and the lock for that.

    read ─> Repository ─> queries ─> solve ─> resolutions, or why there are none

`read` joins what `select_files` chooses of its files and what `code` (with `imports`),
`wheel_urls` and `hints` find; `rules` is the data that they read by. `lines` finds the lines of a
project, `relax` drops limits if there is no solution, `update_lock` pins what an older lock has,
`git` dates it, `report` describes what was read. Files of requirements, notebooks among them, are
read by `cudalock.projects`.
"""
