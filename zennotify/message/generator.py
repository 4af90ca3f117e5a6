"""How is a template compiled?  Like Jinja does it, but nothing is worked out at compile time and all work is paid.

Jinja evaluates constants while it compiles (`9**9**9` hangs a mere check); here that is switched off, for printed
constants too.  What a template does is compiled to calls of the sandbox: a whole path is one call.
"""

from __future__ import annotations

from typing import Any, Final

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame, operators

from zennotify.message.filters import FILTERS, FORGIVING
from zennotify.message.spell import spell

#: A filter of our own around what a `for` goes through; a template cannot write its name.
LOOP: Final = "\0loop"
#: So many parts of a template are one step.
_PARTS_OF_A_STEP = 16

_Body = nodes.Template | nodes.Block | nodes.For | nodes.Macro | nodes.CallBlock


class Generator(CodeGenerator):
    """Compiles a checked tree."""

    def visit_Template(self, node: nodes.Template, frame: Frame | None = None) -> None:  # noqa: N802 - Jinja's name
        """Compile a template; each body that may run again pays when it starts."""
        bodies = [node, *node.find_all((nodes.Block, nodes.For, nodes.Macro, nodes.CallBlock))]
        self._costs = {id(body.body): _cost(body) for body in bodies if isinstance(body, _Body)}
        self._targets = {
            id(loop.body): loop.target.name
            for loop in node.find_all(nodes.For)
            if isinstance(loop.target, nodes.Name)
        }
        for loop in node.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, LOOP, [], [], None, None, lineno=loop.lineno)
        for imported in node.find_all((nodes.Import, nodes.FromImport)):
            # Always with the names of the message: a macro without them fails at the first one that it prints.
            setattr(imported, "with_context", True)  # noqa: B010 - Jinja's types know no field that two nodes share
        for used in node.find_all(nodes.Filter):
            if used.name in FILTERS and used.name not in FORGIVING:
                given: list[Any] = used.kwargs
                given.append(nodes.Keyword("_of", nodes.Const(spell(used.node))))
        super().visit_Template(node, frame)

    def blockvisit(self, nodes: Any, frame: Frame) -> None:
        """Compile a body."""
        if cost := self._costs.get(id(nodes)):
            self.writeline(f"environment.spend({cost})")
        if target := self._targets.get(id(nodes)):
            self.writeline(f"environment.turn_to({frame.symbols.ref(target)})")
        super().blockvisit(nodes, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Compile a loop; in one through events each event's centre counts, and behind it the one from before."""
        before = self.temporary_identifier()
        self.writeline(f"{before} = environment.here()")
        super().visit_For(node, frame)
        self.writeline(f"environment.turn_back({before})")

    def visit_Block(self, node: nodes.Block, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Print nothing where a block stands: a message takes the blocks that it needs."""

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Compile a path."""
        self._path(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Compile a path, or a slice."""
        if isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
        else:
            self._path(node, frame)

    def _path(self, node: nodes.Expr, frame: Frame) -> None:
        """Compile `a.b.c` to one call, with the text of each part for the message that it is missing."""
        steps: list[nodes.Expr] = []
        texts: list[str] = []
        while isinstance(node, nodes.Getattr) or (isinstance(node, nodes.Getitem) and not _is_slice(node)):
            texts.append(spell(node))
            steps.append(nodes.Const(node.attr) if isinstance(node, nodes.Getattr) else node.arg)
            node = node.node
        self.write("environment.pick(")
        self.visit(node, frame)
        self.write(", (")
        for step in reversed(steps):
            self._guarded("key", step, frame)
            self.write(", ")
        self.write(f"), {(spell(node), *reversed(texts))!r})")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Compile a comparison; its sides pay for being looked at."""
        self.write("(")
        self._guarded("operand", node.expr, frame)
        for operand in node.ops:
            self.write(f" {operators[operand.op]} ")
            self._guarded("operand", operand.expr, frame)
        self.write(")")

    def _guarded(self, guard: str, node: nodes.Expr, frame: Frame) -> None:
        """Compile an expression whose value is looked at before it is used; a constant needs no look."""
        if isinstance(node, nodes.Const):
            self.visit(node, frame)
            return
        self.write(f"environment.{guard}(")
        self.visit(node, frame)
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Compile `a ~ b`."""
        self.write("environment.glue((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if isinstance(node, nodes.TemplateData):
            return node.data
        raise nodes.Impossible

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("environment.put(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(")")


def _is_slice(node: nodes.Getitem) -> bool:
    return isinstance(node.arg, nodes.Slice)


def _cost(node: nodes.Node) -> int:
    return 1 + sum(1 for _ in node.find_all(nodes.Node)) // _PARTS_OF_A_STEP
