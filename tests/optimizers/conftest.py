"""Keras 3.15 converts tensors in a way that NumPy 2 deprecates, when it saves a model and everywhere on torch."""


def pytest_configure(config):
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
    )
