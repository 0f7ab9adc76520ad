"""What fits what is there: a goal solved for an environment whose distributions are held.

What is kept is held at its version and build. With `all` that is everything; else the named ones,
and of the rest as much as leaves an answer, the most important first. What comes out is the lock of
what is new or has to change, and nothing else.

`keep` decides what is kept and what is new, `policy` is the goal beside what is kept, `refusal`
tells why there is no answer.
"""

from cudalock.keep.keep import ALL, InstalledChange, Keeping

__all__ = ["ALL", "InstalledChange", "Keeping"]
