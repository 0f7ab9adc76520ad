"""`python -m cudalock` is `cudalock`."""

from cudalock.cli import main

if __name__ == "__main__":
    main(prog_name="cudalock")
