"""Learning-rate schedules, counted in steps: for the `learning_rate` of any Keras optimizer.

Cosine restarts are Keras's own, `keras.optimizers.schedules.CosineDecayRestarts`, and may be a part of `Warmup` and
`Joined`.
"""

from kerasopt.schedules.cyclical import Cyclical
from kerasopt.schedules.joined import Joined
from kerasopt.schedules.one_cycle import OneCycle
from kerasopt.schedules.step_decay import StepDecay
from kerasopt.schedules.warmup import Warmup

__all__ = ["Cyclical", "Joined", "OneCycle", "StepDecay", "Warmup"]
