"""Say how a part of a template was written, for messages: `data.guest.nope`, `data["T&C"]`."""

from __future__ import annotations

from jinja2 import nodes


def spell(node: nodes.Node | None) -> str:
    """Return a path as written; what is no path is only hinted at."""
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr():
            return f"{spell(node.node)}.{node.attr}"
        case nodes.Getitem(arg=nodes.Slice()):
            return f"{spell(node.node)}[:]"
        case nodes.Getitem():
            return spell(node.node) + spell_step(node.arg)
        case nodes.Filter():
            return f"{spell(node.node)} | {node.name}"
        case nodes.Const():
            return repr(node.value)[:40]
        case _:
            return "…"


def spell_step(step: nodes.Node) -> str:
    """Return one step of a path as written, e.g. `["T&C"]` or `[0]`."""
    match step:
        case nodes.Const(value=str(name)):
            return f'["{name}"]'
        case nodes.Const():
            return f"[{step.value!r}]"
        case _:
            return f"[{spell(step)}]"
