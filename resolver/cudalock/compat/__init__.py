"""Check that a set of pinned or installed projects is compatible on a target.

`judge` is the way in. `pins` has the values, `stack` selects the projects that there is anything
to judge about, `wheels` lists what a pin leaves to an installer, `single` judges each pin by
itself, `unbuilt` what has to be built from source (by the facts that are `in_force`), `tied` says
which wheels fit one release of the framework, `base_image` which one an image brings, `same_files`
finds those that overwrite one another, `query` gives all of them to the resolver, `libraries`
names one of NVIDIA's that pins require at different versions, `describe` turns a conflict into a
finding, `fix` finds the smallest change that works, `advisories` the nearest set
without known vulnerabilities, and `installed` is an environment as it is examined.
"""
