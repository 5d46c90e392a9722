"""Small models and data, and a callback that writes down what each step was made with."""

import keras
import numpy as np

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 0.3


def linear(optimizer):
    """A linear model with fixed first weights: 24 samples, so 6 batches of 4."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(optimizer, "mse")
    return model


class Watch(keras.callbacks.Callback):
    """The rate, and the weights, that each batch ended with."""

    def on_train_begin(self, logs=None):
        self.rates, self.weights = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        self.weights.append(np.concatenate([w.ravel() for w in self.model.get_weights()]))


def train(model, callbacks=(), epochs=1, fit=keras.Model.fit, **arguments):
    """Fit in order, 6 steps an epoch; return the watch and the history."""
    watch = Watch()
    history = fit(
        model, X, Y, batch_size=4, epochs=epochs, verbose=0, shuffle=False, callbacks=[*callbacks, watch], **arguments
    )
    return watch, history.history
