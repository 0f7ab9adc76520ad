"""From a goal, a target and a universe to a resolution.

Who does what: :mod:`find` is the front door, for one target, and :mod:`joint` for several.
:mod:`problem` says what exists and what each choice asks for, :mod:`policy` what an existing
environment or file changes about that, :mod:`network` and :mod:`propagation` strike out what can
take part in no answer, :mod:`unknowns` says what nobody knows about a candidate, :mod:`warnings`
which soft facts a choice goes against, :mod:`cost` what is better, :mod:`choices` translates the
rest into choices, which :mod:`provider` lets resolvelib settle and, where that meets dead ends,
:mod:`pinning` by learned :mod:`clauses`. :mod:`search` walks it all from the best on.
:mod:`of_their_day` keeps the neighbours of old releases to the major versions of their day.
:mod:`unreachable` sees beforehand what no search would find, and :mod:`machine` says what a
resolution needs of the machine.

The values are in :mod:`model`, the parts of a query in :mod:`elements`. What makes it quick:
:mod:`bulk` asks of a whole domain at once, :mod:`wheels` leaves out beforehand what fits no build
of the framework, :mod:`shared` has what the problems of one target have in common. :mod:`witness`
spares an explanation most of its searches. Every bound is in :mod:`limits`; :mod:`minimal` finds
smallest conflicts and what resolves them.
"""
