"""What the property tests share: bounds that give the same examples each time, and the data."""

from __future__ import annotations

from functools import cache

from hypothesis import HealthCheck, settings

from cudalock.matrix import Matrix
from tests.verifier import Book

BOUNDED = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@cache
def matrix() -> Matrix:
    """The matrix that is installed."""
    return Matrix.load()


@cache
def book() -> Book:
    """The same, as the verifier reads it."""
    return Book()
