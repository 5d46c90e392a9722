"""What ensembles need of models: copies of them, and the layers within."""

import keras

from kerasopt._nested import layers_within


def members_outputs(models, logits=False):
    """Copy the models, and return new inputs and each copy's outputs, softmax included where they are logits."""
    models = list(models)
    if not models:
        raise ValueError("Argument `models` must hold at least one model. Received: models=[]")
    for model in models:
        check_member(model, models[0], logits)
    given = models[0].inputs[0] if isinstance(models[0], keras.Sequential) else models[0].input
    inputs = keras.tree.map_structure(lambda t: keras.Input(batch_shape=t.shape, dtype=t.dtype, name=t.name), given)
    outputs = [copy_of(model, f"member_{i}")(inputs) for i, model in enumerate(models)]
    if logits:
        outputs = keras.tree.map_structure(keras.layers.Softmax(), outputs)
    return inputs, outputs


def copy_of(model, name):
    """Return an uncompiled copy of the model, with its weights, under another name: a model's layers need several."""
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    config["config"] = {**config["config"], "name": name}
    copy = keras.saving.deserialize_keras_object(config, safe_mode=False)  # a `Lambda` of the caller's own
    copy.set_weights(model.get_weights())
    return copy


def check_member(model, first, logits):
    """Raise if `model` cannot be a member of one ensemble with `first`."""
    if not isinstance(model, keras.Model) or not model.built or not getattr(model, "inputs", None):
        raise ValueError(
            f"Argument `models` must hold built models, functional or Sequential. Received: models=[..., {model!r}]"
        )
    shapes = [(t.shape, t.dtype) for t in (*model.inputs, *model.outputs)]
    if shapes != [(t.shape, t.dtype) for t in (*first.inputs, *first.outputs)]:
        raise ValueError(
            f"Argument `models` must hold models with the same inputs and outputs. Received: {model.name} with {shapes}"
        )
    losses = keras.tree.flatten(model.loss) if model.compiled else []
    if not logits and any(isinstance(f, keras.Loss) and f.get_config().get("from_logits") for f in losses):
        raise ValueError(
            f"Argument `logits` must be True: {model.name} was compiled with `from_logits=True`, so it gives no "
            "probabilities to be averaged. Received: logits=False"
        )


def batch_norm_layers(model):
    """Return the batch-norm layers that are not frozen, wherever in the model they are."""
    found = [layer for layer in layers_within(model) if isinstance(layer, keras.layers.BatchNormalization)]
    return [layer for layer in found if layer.trainable]
