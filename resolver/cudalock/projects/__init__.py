"""The requirements of a repository, read from its files.

    read.read_file ─> the reader of its kind ─> model.ProjectFile

`read` is the one entry, `kinds` the table of the kinds of files; `model` is what every reader
fills, each entry with its span. `readers` has one module for each kind of file with requirements,
`locks` one for each kind of lock, `syntax` what they share. `asked_requirements` reads what a file
requires for a solve.
"""
