"""Compile all templates of a rule set, and say everything that is wrong with them.

Called by rulefile.py for the rule set that it reads, and for the messages written in the rules themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jinja2 import nodes

from zennotify.message.check import (
    Known,
    Trouble,
    parse_template,
    troubles,
    unknown_elements,
    unknown_names,
)
from zennotify.message.compiled import compile_tree
from zennotify.message.limits import MAX_TEXT
from zennotify.message.moments import style
from zennotify.message.problem import TemplateProblem
from zennotify.message.sandbox import Sandbox
from zennotify.message.template import MessageTemplate
from zennotify.message.uses import events_of, uses_of, uses_together
from zennotify.message.wants import wants
from zennotify.message.ways import Uses
from zennotify.zenoti.names import ELEMENT_NAMES
from zennotify.zenoti.things import FIELDS

#: How an inline message is called where a template has a name.
INLINE: Final = "message"
_Use = nodes.Extends | nodes.Include | nodes.Import | nodes.FromImport


class Templates:
    """The templates of one rule set; nothing changes after it is made."""

    def __init__(
        self, files: Mapping[str, str], *, time_zone: str, locale: str, known: Known | None = None
    ) -> None:
        """Compile the files; `known` are the names that there are (None: any) with their fields."""
        style(locale)  # an unknown one is refused here, not in every message
        self._time_zone = time_zone
        self._locale = locale
        self._known = known
        self._names = frozenset(files)
        self._trees: dict[str, nodes.Template] = {}
        self._troubles: dict[str, list[Trouble]] = {name: [] for name in files}
        self._sandbox = Sandbox()
        for name, text in files.items():
            self._read(name, text)
        for name, tree in self._trees.items():
            self._troubles[name].extend(self._wrong_uses(name, tree))
        used = {other for tree in self._trees.values() for other in _used(tree)}
        for name, tree in self._trees.items():
            if name not in used:  # a part of other templates has their names, too
                for where, trouble in self._unknown_names(name, tree):
                    if trouble not in self._troubles[where]:
                        self._troubles[where].append(trouble)
        for name, tree in self._trees.items():
            self._compile(name, tree)

    def problems(self) -> list[tuple[str, int, str]]:
        """Return (template, line, message) for everything that is wrong in any file."""
        return sorted(
            (name, wrong.line, wrong.message) for name, found in self._troubles.items() for wrong in found
        )

    def message(self, name: str) -> MessageTemplate:
        """Return the message of a template; KeyError for an unknown one, TemplateProblem for a broken one."""
        for wrong in self._troubles[name]:
            raise TemplateProblem(wrong.message, wrong.line)
        return self._message(name, self._trees[name], None)

    def inline(self, text: str, title: str) -> MessageTemplate:
        """Compile a rule's `message`; TemplateProblem where it cannot be used."""
        tree = self._parse(text)
        for wrong in (
            *troubles(tree, self._names),
            *self._wrong_uses(INLINE, tree),
            *(trouble for where, trouble in self._unknown_names(INLINE, tree) if where == INLINE),
        ):
            raise TemplateProblem(wrong.message, wrong.line)
        return self._message(INLINE, tree, title)

    def uses(self, name: str) -> Iterator[tuple[str, Uses]]:
        """Yield what a template and each one that it includes, imports or extends uses, as far as it runs."""
        yield from uses_together(name, self._trees[name], self._trees).items()

    def inline_uses(self, text: str) -> Iterator[tuple[str, Uses]]:
        """Yield the same for a rule's `message`, which can be used."""
        yield from uses_together(INLINE, self._parse(text), self._trees).items()

    def _read(self, name: str, text: str) -> None:
        try:
            tree = self._parse(text)
        except TemplateProblem as problem:
            self._troubles[name].append(Trouble(problem.line, problem.message))
            return
        self._trees[name] = tree
        self._troubles[name].extend(troubles(tree, self._names))

    def _parse(self, text: str) -> nodes.Template:
        if len(text) > MAX_TEXT:
            raise TemplateProblem(
                f"is too large: at most {MAX_TEXT // 1024} KiB, this has {len(text) // 1024} KiB"
            )
        return parse_template(self._sandbox, text)

    def _unknown_names(self, name: str, tree: nodes.Template) -> Iterator[tuple[str, Trouble]]:
        """Yield what is asked for that nothing has, with the template that it stands in."""
        if not self._known:
            return
        yield from ((name, trouble) for trouble in unknown_names(tree, self._known))
        for where, places in events_of(name, tree, self._trees).items():
            yield from ((where, trouble) for trouble in unknown_elements(places, ELEMENT_NAMES))

    def _compile(self, name: str, tree: nodes.Template) -> None:
        if self._troubles[name]:
            return
        try:
            self._sandbox.templates[name] = compile_tree(self._sandbox, tree, name)
        except TemplateProblem as problem:
            self._troubles[name].append(Trouble(problem.line, problem.message))

    def _message(self, name: str, tree: nodes.Template, title: str | None) -> MessageTemplate:
        template = self._sandbox.templates.get(name) if title is None else None
        return MessageTemplate(
            template=template or compile_tree(self._sandbox, tree, name),
            blocks=self._blocks(tree),
            title=title,
            wants=wants(
                (
                    *map(uses_of, self._all_parts(tree, set())),
                    # What a part is given by the template that uses it, is seen only in both together.
                    *uses_together(name, tree, self._trees).values(),
                ),
                FIELDS,
            ),
            uses_ack_url=any(_names_ack_url(part) for part in self._all_parts(tree, set())),
            time_zone=self._time_zone,
            locale=self._locale,
        )

    def _all_parts(self, tree: nodes.Template, seen: set[str]) -> Iterator[nodes.Template]:
        """Yield a template and those that it uses, directly or not."""
        yield tree
        for name in {_target(use) for use in _uses(tree)} - seen:
            seen.add(name)
            if name in self._trees:
                yield from self._all_parts(self._trees[name], seen)

    def _blocks(self, tree: nodes.Template) -> dict[str, int]:
        """Return the blocks of a template and of those it extends; an inherited one has the line of `extends`."""
        blocks = {block.name: block.lineno for block in tree.find_all(nodes.Block)}
        for extends in tree.find_all(nodes.Extends):
            parent = self._trees.get(_target(extends))
            if parent is not None:
                blocks = dict.fromkeys(self._blocks(parent), extends.lineno) | blocks
        return blocks

    def _wrong_uses(self, name: str, tree: nodes.Template) -> Iterator[Trouble]:
        """Yield what is wrong between templates: circles, and blocks where none or some should be."""
        for use in _uses(tree):
            if self._reaches(_target(use), name, set()):
                yield Trouble(use.lineno, f"`{name}` uses itself by way of `{_target(use)}`")
                return
            used = self._trees.get(_target(use))
            if isinstance(use, nodes.Extends) and not any(use is top for top in tree.body):
                yield Trouble(use.lineno, "`extends` stands inside something else; move it to the top level")
            elif isinstance(use, nodes.Extends) and used is not None and not self._blocks(used):
                yield Trouble(use.lineno, f"`{_target(use)}` cannot be extended, for it has no blocks")
            elif isinstance(use, nodes.Include) and used is not None and self._blocks(used):
                yield Trouble(use.lineno, f"`{_target(use)}` cannot be included, for it has blocks")
        blocks = self._blocks(tree)
        if blocks and "body" not in blocks:
            yield Trouble(min(blocks.values()), "there is no block `body`")

    def _reaches(self, name: str, wanted: str, seen: set[str]) -> bool:
        """Return whether a template uses another one, directly or not."""
        if name == wanted:
            return True
        if name in seen or name not in self._trees:
            return False
        seen.add(name)
        return any(self._reaches(_target(use), wanted, seen) for use in _uses(self._trees[name]))


def _names_ack_url(tree: nodes.Template) -> bool:
    return any(name.name == "ack_url" for name in tree.find_all(nodes.Name))


def _uses(tree: nodes.Template) -> Iterator[_Use]:
    kinds: Any = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
    yield from tree.find_all(kinds)


def _target(use: _Use) -> str:
    """Return the name of the template that is used, or "" where it is none in quotes (check.py says so)."""
    return str(use.template.value) if isinstance(use.template, nodes.Const) else ""


def _used(tree: nodes.Template) -> Iterator[str]:
    """Yield the names of the templates that this one includes, imports or extends."""
    for kind in (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport):
        for use in tree.find_all(kind):
            template: Any = getattr(use, "template", None)
            if isinstance(template, nodes.Const) and isinstance(template.value, str):
                yield template.value
