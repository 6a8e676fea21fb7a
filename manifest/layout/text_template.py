"""Text templates: Jinja templates of the texts that a layout writes, checked when it is loaded, rendered with bounds.

A layout may come from elsewhere, so a template can neither read files nor call into the program: it runs in Jinja's
sandbox, without includes, and with the few filters, functions and methods that texts need. It ends as well: it has no
recursion, and what it counts, how often it goes through the files, what it makes on the way and what it writes is
limited. Jinja is slow to import and is imported only where a layout has a template.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set, Sized
from typing import TYPE_CHECKING, Any

from qa2pack.manifest.dataclass import dataclass

if TYPE_CHECKING:
    from jinja2 import Template, nodes
    from jinja2.runtime import Context
    from jinja2.sandbox import SandboxedEnvironment

    from qa2pack.manifest.layout.template_work import Work

# Digests of a packaged file that a template may use, by their names in hashlib and xxhash.
DIGESTS = ("md5", "sha256", "xxh128")
FILES = "files"
# What every template sees, besides the variables of its layout.
FACTS = frozenset({"project", "member", "header", "tree", "folders", FILES})
# Steps that all loops of a template may take together, besides those for the files of the member.
STEPS_LIMIT = 1_000_000
# A loop over all files for each of these many uses: more is a loop inside a loop, which would take for ever.
STEPS_PER_FILE = 10
_FILTER_NAMES = """
abs capitalize count d default dictsort escape first float groupby int items join last length list lower map max min
reject rejectattr replace reverse round select selectattr sort string sum title trim truncate unique upper wordcount
"""
_FILTERS = frozenset(_FILTER_NAMES.split())
# Tests that go through what they are given.
_TEST_NAMES = "eq == equalto ne != lt < lessthan le <= gt > greaterthan ge >= in lower upper"
_TESTS = frozenset(_TEST_NAMES.split())
_TEXT_METHODS = """
capitalize casefold center count endswith find index isalnum isalpha isascii isdecimal isdigit islower isnumeric
isspace istitle isupper ljust lower lstrip partition removeprefix removesuffix replace rjust rpartition rsplit rstrip
split splitlines startswith strip swapcase title upper zfill
"""


class TextTemplateError(ValueError):
    """A template that is wrong, or cannot be rendered.

    Attributes:
        line: in the template; 0 if that is not known.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line

    def __str__(self) -> str:
        return f"{self.args[0]}, line {self.line}" if self.line else str(self.args[0])


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """A template that was checked.

    Attributes:
        variables: all names that it uses.
        digests: of the files, as far as it names any.
    """

    text: str
    variables: frozenset[str] = frozenset()
    digests: tuple[str, ...] = ()

    @property
    def is_late(self) -> bool:
        """Whether it lists files, which are known only when they are all staged."""
        return FILES in self.variables


def parse_text_template(text: str, known: Set[str]) -> TextTemplate:
    """Check a template.

    Args:
        known: the variables that it may use, besides `FACTS`.

    Raises:
        TextTemplateError: it is no template, uses what it does not have, or what has no end.
    """
    from jinja2 import TemplateSyntaxError, meta, nodes

    from qa2pack.manifest.layout.template_work import Work

    environment = _environment("\n", Work())
    try:
        tree = environment.parse(text)
        environment.from_string(text)
    except TemplateSyntaxError as error:
        raise TextTemplateError(error.message or "it is no template", error.lineno) from None
    except RecursionError:
        raise TextTemplateError("it is nested too deeply") from None
    except ValueError:
        raise TextTemplateError("a number in it is too long") from None
    _check_nodes(tree)
    variables = frozenset(meta.find_undeclared_variables(tree)) - environment.globals.keys()
    for name in tree.find_all(nodes.Name):
        if name.name in variables - FACTS - known:
            raise TextTemplateError(f"{name.name}: not one of {', '.join(sorted(FACTS | known))}", name.lineno)
    return TextTemplate(text, variables, tuple(digest for digest in DIGESTS if _names(tree, digest)))


def _check_nodes(tree: "nodes.Template") -> None:
    """Refuse what reads other files, or may never end; again where it is rendered, for a manifest may be forged."""
    from jinja2 import nodes

    for node in tree.find_all(nodes.Node):
        if refused := _refused(node):
            raise TextTemplateError(f"{refused} is not available", node.lineno)


def _refused(node: "nodes.Node") -> str:
    """Return what a node is, if it reads other files, or may never end."""
    from jinja2 import nodes

    match node:
        case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
            return "another file"
        case nodes.Macro() | nodes.CallBlock() | nodes.Block():
            return "a macro or block"
        case nodes.For() if node.recursive:
            return "a recursive loop"
        case nodes.Name(name="self"):
            return "self"
    return ""


def _names(tree: "nodes.Template", name: str) -> bool:
    """Return whether a template has this name anywhere: as an attribute, an item, or as a word for a filter."""
    from jinja2 import nodes

    attributes = (node.attr for node in tree.find_all(nodes.Getattr))
    words = (str(node.value).split(".")[-1] for node in tree.find_all(nodes.Const))
    return name in {*attributes, *words}


def render_text(
    template: str, facts: Mapping[str, object], *, newline: str, limit_bytes: int, file_count: int = 0
) -> Iterator[bytes]:
    """Yield the text of a template, piece by piece.

    Names that are not UTF-8 come out as the bytes that they are.

    Args:
        facts: all that it sees, by name.
        newline: what the line ends of the template become; those inside of facts stay.
        limit_bytes: of the text.
        file_count: of the member; each file adds to the steps that loops may take.

    Raises:
        TextTemplateError: it uses what it does not have, is longer than the limit, or does not come to an end.
        OSError: a file that it lists cannot be read.
    """
    from qa2pack.manifest.layout.template_work import Work

    environment = _environment(newline, Work(file_count))
    counted = _Counted(STEPS_LIMIT + STEPS_PER_FILE * file_count)
    environment.filters |= {"counted": counted, "length": counted.length, "count": counted.length}
    length = 0
    try:
        for piece in _counting(environment, template).generate(facts):
            data = piece.encode("utf-8", "surrogateescape")
            length += len(data)
            if length > limit_bytes:
                raise TextTemplateError(f"it is longer than {limit_bytes:,} bytes")
            yield data
    except (OSError, TextTemplateError):
        raise
    except Exception as error:  # whatever Python says of an expression of somebody else
        raise TextTemplateError(str(error) or type(error).__name__, _line_of(error)) from error


class _Counted:
    """Passes through what loops go through, up to a number of steps of all together."""

    def __init__(self, most: int) -> None:
        self._left = most

    def __call__(self, parts: Iterable[Any]) -> Iterator[Any]:
        for part in parts:
            self._left -= 1
            if self._left < 0:
                raise TextTemplateError("its loops take too many steps")
            yield part

    def length(self, parts: Iterable[Any]) -> int:
        """Return how many there are; the files, which are not in memory, are gone through in as many steps."""
        return len(parts) if isinstance(parts, Sized) else sum(1 for _ in self(parts))


def _counting(environment: "SandboxedEnvironment", template: str) -> "Template":
    """Return a template whose loops are counted, and what its expressions make besides by filters and calls."""
    from jinja2 import Template, nodes
    from jinja2.visitor import NodeTransformer

    def by(name: str, node: nodes.Node) -> nodes.Expr:
        return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)

    class Counting(NodeTransformer):
        def visit_made(self, node: nodes.Expr) -> nodes.Expr:
            self.generic_visit(node)
            return node if getattr(node, "ctx", "load") == "store" else by("made", node)

        visit_List = visit_Tuple = visit_Dict = visit_Getitem = visit_made

        def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
            self.generic_visit(node)
            return by("concatenated", nodes.List(node.nodes, lineno=node.lineno))

        def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:
            self.generic_visit(node)
            node.expr = by("compared", node.expr)
            for operand in node.ops:
                operand.expr = by("compared", operand.expr)
            return node

        def visit_For(self, node: nodes.For) -> nodes.For:
            self.generic_visit(node)
            node.iter = by("counted", node.iter)
            return node

        def visit_kept(self, node: nodes.Node) -> nodes.Node:
            """Count the text of a block, which is kept: other text is written, and limited there."""
            self.generic_visit(node)
            for output in node.find_all(nodes.Output):
                output.nodes = [by("made", _kept(part)) for part in output.nodes]
            return node

        visit_AssignBlock = visit_FilterBlock = visit_kept

    tree = environment.parse(template)
    _check_nodes(tree)
    Counting().visit(tree).set_environment(environment)
    return Template.from_code(environment, environment.compile(tree), environment.globals)


def _kept(part: "nodes.Expr") -> "nodes.Expr":
    """Return a part of what is written as an expression."""
    from jinja2 import nodes

    return nodes.Const(part.data, lineno=part.lineno) if isinstance(part, nodes.TemplateData) else part


def _environment(newline: str, work: "Work") -> "SandboxedEnvironment":
    """Return Jinja's sandbox with the filters, functions and methods that texts need."""
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.runtime import LoopContext
    from jinja2.sandbox import SandboxedEnvironment, safe_range

    methods = (
        (str, frozenset(_TEXT_METHODS.split())),
        ((list, tuple), frozenset({"count", "index"})),
        (dict, frozenset({"get", "items", "keys", "values"})),
        (LoopContext, frozenset({"changed", "cycle"})),
    )

    class Sandbox(SandboxedEnvironment):
        """The sandbox, in which all that is made is counted, and nothing is changed."""

        intercepted_binops = frozenset({"*", "**", "%", "+"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            is_number = all(isinstance(value, int | float) for value in (left, right))
            if operator == "**" or (operator == "%" and not is_number):
                raise SecurityError(f"{operator} is not available")
            if not is_number:
                work.pay_for_operator(operator, left, right)
            made = super().call_binop(context, operator, left, right)
            return work.made(made) if is_number else made

        def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
            name, owner = getattr(__obj, "__name__", ""), getattr(__obj, "__self__", None)
            if __obj is not safe_range and not any(
                isinstance(owner, kind) and name in names for kind, names in methods
            ):
                raise SecurityError(f"{name or 'a call'} is not available")
            work.pay_for_call(name, (owner, *args, *kwargs.values()))
            return work.made(super().call(__context, __obj, *args, **kwargs))

    environment = Sandbox(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        newline_sequence=newline,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {name: work.counting(name, one) for name, one in environment.filters.items() if name in _FILTERS}
    own = {"made": work.made, "compared": work.compared, "concatenated": work.concatenated}
    environment.filters = {**filters, **{name: _each_time(one) for name, one in own.items()}}
    tests: dict[str, Any] = environment.tests
    tests |= {name: work.counting(name, tests[name]) for name in _TESTS}
    environment.globals = {"range": safe_range}
    return environment


def _each_time(function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a filter that is called each time: of a constant, others are called when the template is compiled."""
    from jinja2 import pass_context

    @pass_context
    def called(_context: "Context", value: Any) -> Any:
        return function(value)

    return called


def _line_of(error: Exception) -> int:
    """Return the line of the template in which an error was raised; 0 if it was raised elsewhere."""
    trace, line = error.__traceback__, 0
    while trace:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
