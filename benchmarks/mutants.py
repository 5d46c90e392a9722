"""The small changes that `mutation.py` and `mutation_tools.py` make to our code, and what they print about them."""

import ast
import contextlib
import time

OPERATORS = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.Mod: [ast.FloorDiv],
    ast.MatMult: [ast.Mult],
    ast.BitAnd: [ast.BitOr],
}
COMPARISONS = {
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
FUNCTIONS = {
    "maximum": "minimum",
    "minimum": "maximum",
    "sqrt": "square",
    "square": "abs",
    "abs": "square",
    "sign": "abs",
    "logical_and": "logical_or",
    "power": "multiply",
    "expm1": "exp",
    "log": "log2",
    "assign_sub": "assign_add",
    "assign_add": "assign_sub",
    "all": "any",
    "any": "all",
    "logaddexp": "add",
    "softplus": "relu",
    "sigmoid": "tanh",
}


def mutants(tree, left_out=()):
    """Yield (node, attribute, replacement, description) for every change to be made outside the functions left out."""
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in left_out
        for inner in ast.walk(node)
    }
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n not in skipped]
    for node in {inner: None for function in functions for s in function.body for inner in ast.walk(s)}:
        if isinstance(node, ast.BinOp):
            for new in OPERATORS.get(type(node.op), []):
                yield node, "op", new(), f"{type(node.op).__name__} -> {new.__name__}"
        elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
            yield node, "op", OPERATORS[type(node.op)][0](), f"{type(node.op).__name__}= changed"
        elif isinstance(node, ast.UnaryOp):
            yield node, "op", ast.UAdd(), f"{type(node.op).__name__} dropped"
        elif isinstance(node, ast.Compare):
            for i, op in enumerate(node.ops):
                for new in COMPARISONS.get(type(op), []):
                    ops = [*node.ops[:i], new(), *node.ops[i + 1 :]]
                    yield node, "ops", ops, f"{type(op).__name__} -> {new.__name__}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, "value", not node.value, f"{node.value} -> {not node.value}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            for new in (node.value + 1, -node.value if node.value else -1):
                yield node, "value", new, f"{node.value} -> {new}"
        elif isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
            yield node, "attr", FUNCTIONS[node.attr], f"{node.attr} -> {FUNCTIONS[node.attr]}"
        elif isinstance(node, ast.Name) and node.id in ("max", "min", "any", "all"):
            new = {"max": "min", "min": "max", "any": "all", "all": "any"}[node.id]
            yield node, "id", new, f"{node.id} -> {new}"
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            yield node, "test", ast.UnaryOp(ast.Not(), node.test), "condition negated"
        elif isinstance(node, ast.BoolOp):
            new = ast.Or if isinstance(node.op, ast.And) else ast.And
            yield node, "op", new(), f"{type(node.op).__name__} -> {new.__name__}"
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield node, "value", ast.Constant(None), "statement dropped"


@contextlib.contextmanager
def changed(tree, node, attribute, replacement):
    """Make one change to the tree within the block."""
    original = getattr(node, attribute)
    setattr(node, attribute, replacement)
    ast.fix_missing_locations(tree)
    try:
        yield
    finally:
        setattr(node, attribute, original)


def survivors(stem, source, tree, left_out, passes):
    """Make every change to a file's tree, print how many and how long it took, and return those that pass.

    Args:
        stem: The file's name without `.py`.
        source: Its text.
        tree: Its syntax tree.
        left_out: Names of functions that stay as they are.
        passes: Function without arguments that tells whether the tree, as it is now, passes all checks.

    Returns:
        List of (stem, line, change).
    """
    found, count, start = [], 0, time.time()
    for node, attribute, replacement, change in mutants(tree, left_out):
        count += 1
        with changed(tree, node, attribute, replacement):
            if passes():
                found.append((stem, source.splitlines()[node.lineno - 1].strip(), change))
                print(f"  not noticed: {change}: {found[-1][1]}", flush=True)
    print(f"{stem}: {count} changes in {time.time() - start:.0f} s, {len(found)} not noticed", flush=True)
    return found


def unexplained(found, equivalent):
    """Print and return the survivors for which the table `equivalent` holds no reason: their number."""

    def is_equivalent(stem, line, change):
        return any(stem == s and part in line and change.startswith(c) for s, part, c in equivalent)

    rest = [survivor for survivor in found if not is_equivalent(*survivor)]
    print(f"not noticed: {len(found)}, of which {len(found) - len(rest)} are equivalent and {len(rest)} are not")
    for stem, line, change in rest:
        print(f"  {stem}.py: {change}: {line}")
    return len(rest)
