"""Making the CUDA libraries that pip installed be found first.

`shells` writes it for a shell (`wsl` has the paths of Windows that are seen from Linux), `snippet`
for a Python program, `placement` puts files where a package looks for them, and `wheel_files`
brings those that come from a wheel.
"""
