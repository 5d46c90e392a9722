"""Docstrings of the package in the shape that Sphinx reads: equations apart, names linked."""

import re

from sphinx.util.inspect import signature, stringify_signature

# What Keras calls and no reader does: the class says what they do together.
HOOKS = re.compile(
    r"apply|build|call|compute_output_shape|update_step|begin_step|sweep|get_config|from_config"
    r"|on_\w+|set_(model|params)|finalize_.*"
)


def _indent(line):
    return len(line) - len(line.lstrip())


def set_equations_apart(lines):
    """Mark each block that is indented after an empty line as literal; return the new lines."""
    result, last, literal = [], "", None
    for line in lines:
        if line.strip():
            if literal is not None and _indent(line) <= literal:
                literal = None
            new_block = result and not result[-1].strip() and _indent(line) > _indent(last)
            if literal is None and new_block and not line.lstrip().startswith(">>>"):
                literal = _indent(last)
                result += [" " * literal + "::", ""]
            last = line if literal is None else last
        result.append(line)
    return result


def link_names(line):
    """Turn `Name` into a link where there is one, and all else in backticks into code."""

    def role(match):
        text = match[1]
        return f":py:obj:`{text}`" if re.fullmatch(r"[A-Za-z_][\w.]*", text) else f"``{text}``"

    # Bars, as in |H|, would be taken for substitutions.
    pieces = re.split(r"((?<![`:\w])`[^`]+`(?!`))", line)
    return "".join(
        re.sub("`([^`]+)`", role, piece) if i % 2 else piece.replace("|", r"\|")
        for i, piece in enumerate(pieces)
    )


def adapt(app, what, name, value, options, lines):
    """Rewrite a docstring before Google's sections are read."""
    text = "\n".join(set_equations_apart(lines))
    code = r"((?:^ *::\n\n(?: *\n| +.*\n?)+)|(?:^ *(?:>>>|\.\.\.) .*$))"
    parts = re.split(code, text, flags=re.MULTILINE)
    parts[::2] = map(link_names, parts[::2])
    lines[:] = "".join(parts).split("\n")


def skip(app, what, name, value, skip, options):
    """Leave out the hooks that Keras calls."""
    return True if what == "class" and HOOKS.fullmatch(name) else None


def name_arguments(app, what, name, value, options, arguments, returns):
    """Take a class's arguments from `__init__` where Keras's `__new__` hides them."""
    if what == "class" and arguments == "(*args, **kwargs)":
        return stringify_signature(signature(value.__init__, bound_method=True)), returns
    return None


def setup(app):
    """Come before napoleon, which works at the default priority of 500."""
    app.connect("autodoc-process-docstring", adapt, priority=400)
    app.connect("autodoc-process-signature", name_arguments)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
