"""What a repository wants, from all that is in it.

`code` reads its Python and notebooks, `images` the names of its base images; `rules` is the data
that both read by. Files of requirements are read by `cudalock.projects`.
"""
