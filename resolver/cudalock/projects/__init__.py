"""What a repository asks for, read from its files.

    read.read_file ─> the reader of its kind ─> model.ProjectFile

`read` is the one way in, `kinds` the table of the kinds of files; `model` is what every reader
fills, each entry with its place. `readers` has one module for each kind of file that asks for
packages, `locks` one for each kind of lock, `syntax` what they share. `asked_requirements` is what
a file asks of a solve.
"""
