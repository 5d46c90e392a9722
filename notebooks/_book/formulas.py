"""Formulas as MathML, which browsers show by themselves: no script, no font and no network."""

import functools

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

logger = logging.getLogger(__name__)


@functools.cache
def mathml(tex, display="inline"):
    """One formula in MathML.

    Args:
        tex: The formula, without dollar signs.
        display: `"inline"` or `"block"`.

    Returns:
        The `math` element.

    Raises:
        ValueError: If a command is unknown, which would otherwise be shown as it is.
    """
    element = convert(tex.strip(), display=display)
    if "\\" in element:
        raise ValueError(f"a formula holds a command that cannot be shown: {tex}")
    return element


def _visit(display):
    def visit(translator, node):
        try:
            text = mathml(node.astext(), display)
        except Exception as error:  # whatever the converter trips over, with the place
            logger.warning("%s", error, location=node)
            text = translator.encode(node.astext())
        if display == "block":  # a region that scrolls has to be reached with the keyboard
            role = 'tabindex="0" role="group" aria-label="formula"'
            text = f'<div class="formula" {role}>{text}</div>'
        translator.body.append(text)
        raise nodes.SkipNode

    return visit


def setup(app):
    """Register the renderer as `mathml`."""
    renderers = (_visit("inline"), None), (_visit("block"), None)
    app.add_html_math_renderer("mathml", *renderers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
