"""The generated half of the matrix, made anew from what its sources list."""
