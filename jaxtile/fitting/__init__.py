"""From measured responses to devices, and back: `measure` simulates a measurement,
`fit` finds the devices behind one, `Curves` reads those of a laboratory.
"""

from .conductance import Conductance as Conductance
from .curves import Curves as Curves
from .fitting import Fit as Fit
from .fitting import fit as fit
from .measuring import measure as measure

__all__ = ["Conductance", "Curves", "Fit", "fit", "measure"]
