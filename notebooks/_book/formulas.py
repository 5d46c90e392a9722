"""Formulas as MathML, which browsers show by themselves: no script, no font and no network."""

from docutils import nodes
from sphinx.util import logging

import execute

logger = logging.getLogger(__name__)


def checked(tex, display):
    """The formula in MathML; an error if it holds a command that the converter does not know."""
    element = execute.mathml(tex, display)
    if "\\" in element:
        raise ValueError(f"a formula holds a command that cannot be shown: {tex}")
    return element


def _visit(display):
    def visit(translator, node):
        try:
            text = checked(node.astext(), display)
        except Exception as error:  # whatever the converter trips over, with the place
            logger.warning("%s", error, location=node)
            text = translator.encode(node.astext())
        if display == "block":
            text = f'<div class="formula">{text}</div>'
        else:  # with word joiners, lest a line begin with the comma that follows
            text = f"&#8288;{text}&#8288;"
        translator.body.append(text)
        raise nodes.SkipNode

    return visit


def setup(app):
    """Register the renderer as `mathml`."""
    renderers = (_visit("inline"), None), (_visit("block"), None)
    app.add_html_math_renderer("mathml", *renderers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
