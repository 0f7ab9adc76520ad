"""Making the CUDA libraries that pip installed be found first.

`shells` writes it for a shell, `snippet` for a Python program, and `placing_files` puts files
where a package looks for them.
"""
