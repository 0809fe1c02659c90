"""The life of a network on its chips: it is programmed, ages, is calibrated and
compensated.
"""

from .aging import compensate as compensate
from .aging import drift as drift
from .calibration import calibrate as calibrate
from .norms import renormalise as renormalise
from .sticking import stick as stick
from .summary import Summary as Summary
from .summary import summary as summary
from .writing import apply_programming_noise as apply_programming_noise
from .writing import program as program

__all__ = ["Summary", "apply_programming_noise", "calibrate", "compensate", "drift", "program", "renormalise", "stick", "summary"]
