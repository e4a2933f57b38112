"""How fast a job's story is told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Seconds that a job stays in a state at least, and that a step takes at least."""

    validating: float
    queued: float
    step: float


FAST = Pace(validating=0.0, queued=0.0, step=0.0)
# The service was seen to validate for 20 to 60 s (contract 2.2); this is its lower
# end, so that a lesson can watch each state without falling asleep.
REALISTIC = Pace(validating=20.0, queued=10.0, step=0.5)
PACES = {"fast": FAST, "realistic": REALISTIC}
