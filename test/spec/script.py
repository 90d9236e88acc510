"""Turns an official .wast script into a command file that test/spec/driver.c executes.

The script's own s-expressions are read here; a module in text form is handed as it stands to
wat2wasm (wasmtime's, which knows today's syntax), a binary module is taken from its strings. The
command file has one line a directive, fields separated by one space:

    LINE module NAME WASM             define and instantiate       NAME   .hex of "$name", - none
    LINE define NAME WASM             define only                  WASM   hex of the module
    LINE instance NAME DEFINITION     instantiate a definition     STR    .hex of a string
    LINE register STR NAME            by this name it can be imported
    LINE run ACTION                   ACTION  invoke NAME STR VALUE...   or   get NAME STR
    LINE return ACTION = VALUE...
    LINE trap STR ACTION              also exhaustion, exception; STR is the expected message
    LINE memory NAME STR BYTES SUM    an exported memory's length and checksum (test/differ writes these)
    LINE trapmodule STR WASM
    LINE invalid STR WASM             also malformed, unlinkable
    LINE text                         a text module that is malformed: nothing reads text here
    LINE feature STR                  a directive that belongs to a feature: threads
    LINE error STR                    could not be converted

Values: i32:HEX i64:HEX f32:HEX f64:HEX, f32:canonical f32:arithmetic (also f64), v128:SHAPE:A,B,...,
null:TYPE (- for any), extern:N (- for any), func:-, ref:TYPE; results may be `A|B`, either of both.

Nothing here depends on the name of a script, and nothing is dropped: what cannot be converted becomes
an error line, which fails.
"""
import re
from fractions import Fraction

TOKEN = re.compile(rb'[ \t\r\n]+|;;[^\n\r]*|\(;|\(|\)|"(?:[^"\\]|\\.)*"|[^\s()";]+|.', re.S)
COMMENT_EDGE = re.compile(rb"\(;|;\)")


class ScriptError(Exception):
    """A script, or a part of it, that is not understood."""


class Node:
    """A list: its items (Node or bytes), where its text stands, and its line."""

    __slots__ = ("items", "start", "end", "line")

    def __init__(self, start, line):
        self.items, self.start, self.end, self.line = [], start, start, line

    def head(self):
        return self.items[0] if self.items and isinstance(self.items[0], bytes) else b""


def skip_comment(text, at):
    """The position behind the block comment that begins at `at`; they nest."""
    depth = 0
    for edge in COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge.group() == b"(;" else -1
        if depth == 0:
            return edge.end()
    raise ScriptError("a block comment does not end")


def parse(text):
    """The top-level lists of a script."""
    root = Node(0, 1)
    stack, at, line = [root], 0, 1
    while at < len(text):
        match = TOKEN.match(text, at)
        token, first = match.group(), match.group()[:1]
        end = match.end()
        if token == b"(;":
            end = skip_comment(text, at)
        elif token == b"(":
            node = Node(at, line)
            stack[-1].items.append(node)
            stack.append(node)
        elif token == b")":
            if len(stack) == 1:
                raise ScriptError(f"line {line}: unexpected )")
            node = stack.pop()
            node.end = end
            if node.head().startswith(b"@"):
                stack[-1].items.pop()  # an annotation
        elif first not in b" \t\r\n" and not token.startswith(b";;"):
            stack[-1].items.append(token)
        line += text.count(b"\n", at, end)
        at = end
    if len(stack) != 1:
        raise ScriptError(f"the list of line {stack[-1].line} does not end")
    return root.items


ESCAPES = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b'"': b'"', b"'": b"'", b"\\": b"\\"}


def string(token):
    """The bytes a string token stands for."""
    if not isinstance(token, bytes) or token[:1] != b'"':
        raise ScriptError(f"a string is expected, there is {token!r}")

    def one(match):
        escape = match.group(1)
        if escape in ESCAPES:
            return ESCAPES[escape]
        if escape.startswith(b"u"):
            return chr(int(escape[2:-1].replace(b"_", b""), 16)).encode()
        return bytes([int(escape, 16)])

    return re.sub(rb"\\(u\{[0-9a-fA-F_]+\}|[0-9a-fA-F]{2}|.)", one, token[1:-1], flags=re.S)


def integer(token, bits):
    """Two's complement of an integer literal."""
    value = int(token.replace(b"_", b"").decode(), 0 if b"x" in token.lower() else 10)
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise ScriptError(f"{token!r} does not fit in {bits} bits")
    return value & ((1 << bits) - 1)


FLOATS = {32: (24, 127), 64: (53, 1023)}  # bits of the significand, largest exponent


def real(text):
    """The exact value of an unsigned decimal or hexadecimal float literal."""
    text = text.replace("_", "").lower()
    base, mark, power = (16, "p", 2) if text.startswith("0x") else (10, "e", 10)
    body, _, exponent = text[2 if base == 16 else 0:].partition(mark)
    whole, _, part = body.partition(".")
    value = Fraction(int((whole + part) or "0", base), base ** len(part))
    return value * Fraction(power) ** int(exponent or "0")


def round_float(value, bits):
    """The bits of the float nearest to an exact value that is not negative, ties to even."""
    digits, most = FLOATS[bits]
    if value == 0:
        return 0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if value < Fraction(2) ** exponent:
        exponent -= 1
    exponent = max(exponent, 1 - most)
    significand = round(value / Fraction(2) ** (exponent - digits + 1))  # rounds ties to even
    if significand >= 1 << digits:
        significand >>= 1
        exponent += 1
    if exponent > most:
        return (2 * most + 1) << (digits - 1)
    if significand < 1 << (digits - 1):
        return significand  # subnormal
    return ((exponent + most) << (digits - 1)) | (significand - (1 << (digits - 1)))


def floating(token, bits):
    """Hex digits of a float literal, or the name of a class of NaNs."""
    text = token.decode()
    digits, most = FLOATS[bits]
    sign = 1 << (bits - 1) if text.startswith("-") else 0
    text = text.lstrip("+-")
    infinite = (2 * most + 1) << (digits - 1)
    if text in ("nan:canonical", "nan:arithmetic"):
        return text[4:]
    if text == "inf":
        value = infinite
    elif text == "nan":
        value = infinite | 1 << (digits - 2)
    elif text.startswith("nan:"):
        value = infinite | int(text[4:].replace("_", ""), 16)
    else:
        value = round_float(real(text), bits)
    return f"{sign | value:0{bits // 4}x}"


LANES = {"i8x16": (8, 16), "i16x8": (16, 8), "i32x4": (32, 4), "i64x2": (64, 2),
         "f32x4": (32, 4), "f64x2": (64, 2)}


def vector(items):
    """v128 constant or pattern: its shape and lanes."""
    shape = items[1].decode()
    bits, count = LANES[shape]
    if len(items) != 2 + count:
        raise ScriptError(f"{shape} needs {count} lanes")
    lanes = [floating(t, bits) if shape[0] == "f" else f"{integer(t, bits):0{bits // 4}x}"
             for t in items[2:]]
    return f"v128:{shape}:{','.join(lanes)}"


def value(node):
    """One argument or expected result."""
    head = node.head().decode()
    operand = node.items[1] if len(node.items) > 1 else None
    if head in ("i32.const", "i64.const"):
        bits = int(head[1:3])
        return f"{head[:3]}:{integer(operand, bits):0{bits // 4}x}"
    if head in ("f32.const", "f64.const"):
        return f"{head[:3]}:{floating(operand, int(head[1:3]))}"
    if head == "v128.const":
        return vector(node.items)
    if head == "ref.null":
        return f"null:{operand.decode() if isinstance(operand, bytes) else '-'}"
    if head in ("ref.extern", "ref.host"):
        kind = "extern" if head == "ref.extern" else "host"
        return f"{kind}:{integer(operand, 64) if operand else '-'}"
    if head == "ref.func":
        return "func:-"
    if head.startswith("ref."):
        return f"ref:{head[4:]}"
    if head == "either":
        return "|".join(value(v) for v in node.items[1:])
    raise ScriptError(f"unknown value {head}")


def named(items):
    """An optional $name at the start: ('.hex' or '-', the rest)."""
    if items and isinstance(items[0], bytes) and items[0][:1] == b"$":
        if items[0] == b"$" and len(items) > 1:  # $"any name"
            return text_field(items[0] + items[1]), items[2:]
        return text_field(items[0]), items[1:]
    return "-", items


def text_field(data):
    return "." + data.hex()


class Converter:
    """Converts one script; wat2wasm takes bytes of text and gives bytes, or raises."""

    def __init__(self, text, wat2wasm):
        self.text, self.wat2wasm, self.lines = text, wat2wasm, []

    def encode(self, node):
        """(instance keyword, name, the bytes or None for text that is quoted) of a module list."""
        items, keyword = node.items[1:], ""
        source = self.text[node.start:node.end]
        if items and items[0] in (b"definition", b"instance"):
            keyword = items[0].decode()
            items = items[1:]
            source = source.replace(keyword.encode(), b"", 1)
        name, items = named(items)
        if keyword == "instance":
            return keyword, name, named(items)[0]
        if items and items[0] == b"binary":
            return keyword, name, b"".join(string(s) for s in items[1:])
        if items and items[0] == b"quote":
            return "quote", name, b"\n".join(string(s) for s in items[1:])
        return keyword, name, self.assemble(source)

    def assemble(self, source):
        """wat2wasm refuses some characters even in strings, so all that are not ASCII are escaped; in
        comments, the only other place they can stand in, that is harmless."""
        source = re.sub(rb"[\x80-\xff]", lambda m: b"\\%02x" % m.group()[0], source)
        try:
            return bytes(self.wat2wasm(source))
        except Exception as error:  # whatever the tool raises, it is its message that matters
            raise ScriptError("wat2wasm: " + str(error).split("\n", 1)[0]) from error

    def module(self, node):
        keyword, name, what = self.encode(node)
        if keyword == "quote":
            what = self.assemble(b"(module " + what + b")")
        if keyword == "instance":
            return f"instance {name} {what}"
        return f"{'define' if keyword == 'definition' else 'module'} {name} {what.hex()}"

    def action(self, node):
        kind = node.head().decode()
        if kind not in ("invoke", "get"):
            raise ScriptError(f"unknown action {kind}")
        name, items = named(node.items[1:])
        values = "".join(" " + value(v) for v in items[1:])
        return f"{kind} {name} {text_field(string(items[0]))}{values}"

    def refused(self, kind, node):
        """A module that must not be accepted, or not instantiate."""
        message = text_field(string(node.items[2]))
        keyword, _, what = self.encode(node.items[1])
        if keyword == "quote":
            if kind == "malformed":
                return "text"
            what = self.assemble(b"(module " + what + b")")
        return f"{kind} {message} {what.hex()}"

    def directive(self, node):
        head = node.head().decode()
        if head == "module":
            return self.module(node)
        if head == "register":
            return f"register {text_field(string(node.items[1]))} {named(node.items[2:])[0]}"
        if head in ("invoke", "get"):
            return "run " + self.action(node)
        if head == "assert_return":
            expected = "".join(" " + value(v) for v in node.items[2:])
            return f"return {self.action(node.items[1])} ={expected}"
        if head in ("assert_trap", "assert_exhaustion", "assert_exception"):
            kind = head[len("assert_"):]
            if node.items[1].head() == b"module":
                return self.refused("trapmodule", node)
            message = string(node.items[2]) if len(node.items) > 2 else b""
            return f"{kind} {text_field(message)} {self.action(node.items[1])}"
        if head in ("assert_invalid", "assert_malformed", "assert_unlinkable"):
            return self.refused(head[len("assert_"):], node)
        if head in ("assert_malformed_custom", "assert_invalid_custom"):
            return "text"  # annotations of the text format
        if head in ("thread", "wait"):
            return f"feature {text_field(b'threads')}"
        raise ScriptError(f"unknown directive {head}")

    def convert(self):
        nodes = parse(self.text)
        heads = [n.head() if isinstance(n, Node) else n for n in nodes]
        known = (b"module", b"register", b"invoke", b"get", b"thread", b"wait")
        if not any(h in known or h.startswith(b"assert_") for h in heads):
            # Module fields without (module ...) around them: the whole script is one module.
            return f"1 module - {self.assemble(self.text).hex()}\n"
        for node in nodes:
            line = node.line if isinstance(node, Node) else 0
            try:
                if not isinstance(node, Node):
                    raise ScriptError(f"a directive is expected, there is {node!r}")
                out = self.directive(node)
            except (ScriptError, ValueError, IndexError, KeyError, AttributeError) as error:
                out = "error " + text_field(str(error).encode())
            self.lines.append(f"{line} {out}\n")
        return "".join(self.lines)


def convert(text, wat2wasm):
    """The command file of a script, as a string."""
    return Converter(text, wat2wasm).convert()
