"""Optimizers: the rules of the syllabus as their papers define them, and those that Keras 3 lacks."""

from kerasopt.optimizers.adabelief import AdaBelief
from kerasopt.optimizers.adadelta import AdaDelta
from kerasopt.optimizers.adagrad import AdaGrad
from kerasopt.optimizers.adam import Adam
from kerasopt.optimizers.cocob import COCOB
from kerasopt.optimizers.decay import DecayKernelsOnly
from kerasopt.optimizers.lars import LARS
from kerasopt.optimizers.lookahead import Lookahead
from kerasopt.optimizers.momentum import Momentum
from kerasopt.optimizers.nadam import Nadam
from kerasopt.optimizers.nesterov import Nesterov
from kerasopt.optimizers.novograd import NovoGrad
from kerasopt.optimizers.prodigy import Prodigy
from kerasopt.optimizers.qhm import QHM
from kerasopt.optimizers.radam import RAdam
from kerasopt.optimizers.rmsprop import RMSProp
from kerasopt.optimizers.schedule_free import ScheduleFreeAdamW
from kerasopt.optimizers.sgd import SGD
from kerasopt.optimizers.yogi import Yogi

__all__ = [
    "COCOB",
    "LARS",
    "QHM",
    "SGD",
    "AdaBelief",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "DecayKernelsOnly",
    "Lookahead",
    "Momentum",
    "Nadam",
    "Nesterov",
    "NovoGrad",
    "Prodigy",
    "RAdam",
    "RMSProp",
    "ScheduleFreeAdamW",
    "Yogi",
]
