"""First weights: the scaled draws of Xavier, He and LeCun, one draw a layer from any initializer, and LSUV."""

from kerasopt.initializers.lsuv import LSUVReport, lsuv
from kerasopt.initializers.per_layer import PerLayer
from kerasopt.initializers.scaled import He, LeCun, Xavier

__all__ = ["He", "LSUVReport", "LeCun", "PerLayer", "Xavier", "lsuv"]
