"""Codes of the end of a programming run."""

import equinox as eqx

__all__ = ["RESULTS"]


class RESULTS(eqx.Enumeration):
    """Code of how a run ended; `RESULTS[code]` is the message."""

    running = "Still running."
    converged = "The read error fell below the tolerance."
    max_steps_reached = (
        "All steps were used before the read error fell below the tolerance. This is the usual end and no failure: the error has "
        "often reached its floor (read noise, cycle noise, bounds). Where the history still falls, allow more steps (max_steps); a "
        "larger tolerance ends a run sooner."
    )
    stalled = "The method had nothing more to propose: its proposal was zero."
    nonfinite = (
        "The read error became NaN or infinite. A learning rate or a step that is far too large can do this, and so can weights "
        "that were not finite from the start."
    )
