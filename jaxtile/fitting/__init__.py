"""From measured responses to devices, and back: `measure` simulates a measurement,
`fit` finds the devices behind one.
"""

from .fitting import Fit as Fit
from .fitting import fit as fit
from .measuring import measure as measure

__all__ = ["Fit", "fit", "measure"]
