"""Other pictures in every epoch: random changes that leave the label as it is, within the compiled training step."""

from kerasopt.augmentation.distort import Distort

__all__ = ["Distort"]
