"""What is within what: layers within layers, optimizers within optimizers."""

import keras


def layers_within(layer):
    """Return all layers within `layer`, itself first, however deep: Keras lists those of models, not of layers."""
    found, stack = {}, [layer]
    while stack:
        item = stack.pop()
        if isinstance(item, keras.layers.Layer):
            if item not in found:
                found[item] = True
                stack += reversed(vars(item).values())
        elif isinstance(item, dict):
            stack += reversed(item.values())
        elif isinstance(item, list | tuple | set):
            stack += reversed(list(item))
    return list(found)


def optimizers_within(optimizer):
    """Return the optimizer, the one that it wraps, and so on, down to the one that makes the steps."""
    found = []
    while optimizer is not None:
        found.append(optimizer)
        optimizer = getattr(optimizer, "inner_optimizer", getattr(optimizer, "inner", None))
    return found
