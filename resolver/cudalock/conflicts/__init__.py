"""Explain a solution, explain why there is none, and suggest what to change.

:mod:`pin_reasons` explains the pins of a solution. Where there is none, :mod:`core` narrows the
query down to a minimal impossible part, :mod:`explanation` turns that into the steps of
:mod:`step` (with :mod:`no_wheel` for what leads to a project without a wheel), and
:mod:`suggestions` looks for the smallest change that has a solution; :mod:`no_solution` does all
three. :mod:`glibc_cost` says which newer versions an assumed glibc costs a solution, and
:mod:`document` makes JSON of an error.

Nothing is imported here: a goal that has a solution needs none of it.
"""
