"""An independent solver over the same files: the engine's answers are compared with its own."""

from tests.oracle.compare import disagreements
from tests.oracle.solver import Answer, Oracle, judge

__all__ = ["Answer", "Oracle", "disagreements", "judge"]
