"""The matrix: facts that people curate and releases that an update lists, as read-only values.

`matrix` is the view that the rest asks, `facts` and `components` read the curated half, `releases`
the generated one, `store` finds the files and reads them quickly, `refreshed` is what the user
updated.
"""
