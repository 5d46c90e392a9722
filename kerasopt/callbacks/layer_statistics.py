"""What happens in each layer while a network learns."""

import keras
import numpy as np
from keras import ops

from kerasopt._autodiff import ModelObjective
from kerasopt.callbacks._borrowed import no_gradients, untouched

STATISTICS = {
    "activation_mean": "mean activation",
    "activation_deviation": "deviation of activations",
    "dead_share": "share of dead units",
    "gradient_norm": "gradient norm",
    "update_ratio": "update / weight",
}


class LayerStatistics(keras.callbacks.Callback):
    """Watch the layers on a fixed batch, at the end of every epoch.

    For each layer, with its outputs `a` on the batch, its weights `w` and the gradient `g` of the loss on the batch:

    - **activation_mean**, **activation_deviation**: mean and standard deviation of all entries of `a`.
    - **dead_share**: share of the units, along the last axis, whose output is 0 for every sample.
    - **gradient_norm**: Euclidean norm of `g` over all weights of the layer.
    - **update_ratio**: norm of the step that the optimizer would make from `g`, in its present state and at its present
      rate, over the norm of `w`.

    Deviations that shrink or grow from layer to layer tell of a bad initialization; gradients that do, of vanishing or
    exploding signals; a growing dead share, of too high a rate. A healthy `update_ratio` is about 1e-3: far below, a
    layer hardly learns; far above, it is thrown about. The usual mistake is to look at one number for a whole network.

    Outputs and gradients are those of inference: dropout is off, and batch norm uses its moving statistics. The trial
    step is undone, bit for bit. Layers without weights have NaN for the last two numbers, and all layers for the last
    one if the optimizer accumulates gradients. Layers that are used several times, or give several outputs, are left
    out.

    Args:
        x: Inputs of the batch, an array or a structure of arrays; 64 to 256 samples are enough.
        y: Its targets.
        layers: Names of the layers to watch; by default all that can be.

    Attributes:
        records: A list of dictionaries, one an epoch and layer, with `epoch` (from 1), `layer` and the five numbers.

    Raises:
        ValueError: When training, if the model is not built of layers with known inputs and outputs, as `Sequential`
            and functional models are, or if a name in `layers` cannot be watched.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.callbacks import LayerStatistics
        >>> x = np.random.default_rng(0).normal(size=(64, 4))
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> statistics = LayerStatistics(x, x[:, :1])
        >>> history = model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=[statistics])
        >>> statistics.frame.shape
        (6, 7)

    Reference:
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010), section
        4, for activations and gradients layer by layer; Karpathy, notes of CS231n, for the update ratio.
    """

    def __init__(self, x, y, layers=None):
        super().__init__()
        self.x, self.y, self.layers = x, y, layers
        self.records = []

    @property
    def frame(self):
        """The records as a tidy `pandas.DataFrame`."""
        import pandas as pd

        return pd.DataFrame(self.records, columns=["epoch", "layer", *STATISTICS])

    def on_train_begin(self, logs=None):
        """Find the layers' outputs."""
        model = self.model
        if not getattr(model, "inputs", None):
            raise ValueError(
                "LayerStatistics needs a built Sequential or functional model, whose layers have known outputs. "
                f"Received: model={type(model).__name__}"
            )
        outputs = {layer.name: (layer, _output(layer)) for layer in model.layers}
        outputs = {name: pair for name, pair in outputs.items() if pair[1] is not None}
        if unknown := [name for name in self.layers or () if name not in outputs]:
            raise ValueError(f"Argument `layers` must name layers among {list(outputs)}. Received: {unknown}")
        self._watched = {name: outputs[name] for name in self.layers or outputs}
        self._probe = keras.Model(model.inputs, [output for _, output in self._watched.values()])
        self._objective = ModelObjective(model, self.x, self.y, dtype=None)

    def on_epoch_end(self, epoch, logs=None):
        """Measure every layer."""
        model = self.model
        with no_gradients():
            x = keras.tree.map_structure(ops.convert_to_tensor, self.x)
            activations = keras.tree.flatten(self._probe(x, training=False))
        objective = self._objective.on(self.x, self.y)  # with the batch-norm statistics of now
        weights = [ops.convert_to_numpy(v).astype("float64") for v in model.trainable_variables]
        gradients = objective.split(objective.value_and_gradient(objective.flat(weights))[1])
        updates = _trial_step(model, gradients, weights)
        place = {id(v): i for i, v in enumerate(model.trainable_variables)}
        for (name, (layer, _)), activation in zip(self._watched.items(), activations, strict=True):
            a = ops.convert_to_numpy(ops.cast(activation, "float32")).astype("float64")
            own = [place[id(v)] for v in layer.trainable_variables]
            norms = [_norm([arrays[i] for i in own]) for arrays in (gradients, updates, weights)]
            numbers = [a.mean(), a.std(), (a.reshape(-1, a.shape[-1]) == 0).all(axis=0).mean(), norms[0]]
            numbers.append(norms[1] / norms[2] if norms[2] else np.nan)
            self.records.append(
                {"epoch": epoch + 1, "layer": name} | dict(zip(STATISTICS, map(float, numbers), strict=True))
            )

    def plot(self, axes=None):
        """Draw the five statistics over the epochs, a line a layer.

        Args:
            axes: Five Axes to draw into; a new figure by default.

        Returns:
            The array of Axes.
        """
        from kerasopt.plotting import plot_curves, subplots

        axes = axes if axes is not None else subplots(1, len(STATISTICS), size=(2.6, 2.4))[1]
        table, names = self.frame, list(dict.fromkeys(record["layer"] for record in self.records))
        for ax, (statistic, label) in zip(axes, STATISTICS.items(), strict=True):
            curves = {name: table.loc[table.layer == name, statistic].to_numpy() for name in names}
            curves = {name: values for name, values in curves.items() if np.isfinite(values).any()}
            plot_curves(curves, ax, ylabel=label, start=self.records[0]["epoch"] if self.records else 1)
            if statistic in ("gradient_norm", "update_ratio"):
                ax.set_yscale("log")
        return axes


def _norm(arrays):
    return np.sqrt(sum(np.sum(np.square(array)) for array in arrays)) if arrays else np.nan


def _output(layer):
    """Return the one output of a layer that is used once, else None."""
    if isinstance(layer, keras.layers.InputLayer):
        return None
    try:
        output = layer.output
    except (AttributeError, ValueError):  # used several times, or never
        return None
    return output if isinstance(output, keras.KerasTensor) else None


def _trial_step(model, gradients, weights):
    """Return how far the optimizer's next step would move the weights, and take the step back."""
    optimizer, variables = model.optimizer, model.trainable_variables
    if optimizer.gradient_accumulation_steps:
        return [np.full(w.shape, np.nan) for w in weights]
    with untouched(model), no_gradients():
        tensors = [ops.convert_to_tensor(g, v.dtype) for g, v in zip(gradients, variables, strict=True)]
        optimizer.apply([optimizer.scale_loss(g) for g in tensors], variables)
        return [ops.convert_to_numpy(v).astype("float64") - w for v, w in zip(variables, weights, strict=True)]
