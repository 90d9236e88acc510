"""What stands in the public headers: read by tools/abi.py and tools/apidocs.py.

A declaration's docstring is the comment that ends on the line above it, and what stands behind it on its
own line. Declarations that follow each other without an empty line share the docstring of the first.
"""
import dataclasses
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@dataclasses.dataclass
class Field:
    """A field of a structure, or a constant of an enumeration."""
    text: str
    name: str
    doc: str = ""


@dataclasses.dataclass
class Decl:
    """kind: function, struct, enum, opaque, callback, macro or include (of a table: name is its path)."""
    kind: str
    name: str
    text: str  # the declaration as it stands there, without comments
    doc: str
    line: int
    fields: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Header:
    path: str  # "gbx/store.h"
    head: str
    decls: list

    @property
    def is_unstable(self):
        return "/unstable/" in self.path

    @property
    def functions(self):
        return [d for d in self.decls if d.kind == "function"]


def plain(comment):
    """The text of one comment, without its frame; lines and their indentation are kept."""
    body = re.sub(r"^/\*+ ?|\s*\*+/$", "", comment.strip())
    return "\n".join(re.sub(r"^\s*\* ?", "", line).rstrip() if i else line.rstrip()
                     for i, line in enumerate(body.split("\n"))).strip("\n")


def pieces(text):
    """(kind, text, line): comments, directives, declarations and blank lines, in order."""
    at, line = 0, 1
    while at < len(text):
        rest = text[at:]
        if rest[0] == "\n":
            kind, length = "blank", 1
        elif rest.startswith("/*"):
            kind, length = "comment", rest.index("*/") + 2
        elif rest[0] == "#":
            kind, length = "directive", re.match(r"(?:\\\n|/\*(?:.|\n)*?\*/|[^\n])*", rest).end()
        elif re.match(r"GBX_DECLS_(BEGIN|END)\b", rest):
            kind, length = "directive", rest.index("\n")
        elif rest.startswith("template"):
            kind, length = "directive", rest.index("\n}\n") + 2
        elif rest[0].isspace():
            at += 1
            continue
        else:
            kind, length = "declaration", declaration(rest)
        yield kind, rest[:length], line
        line += rest.count("\n", 0, length)
        at += length
        # The end of the line on which something ended is no blank line.
        if kind != "blank":
            end = re.match(r"[ \t]*\n", text[at:])
            if end:
                at += end.end()
                line += 1


def declaration(text):
    """How long the declaration is that `text` begins with."""
    depth, at = 0, 0
    while True:
        if text.startswith("/*", at):
            at = text.index("*/", at) + 2
            continue
        depth += (text[at] in "({") - (text[at] in ")}")
        at += 1
        if text[at - 1] == ";" and depth == 0:
            return at


def uncommented(text):
    return re.sub(r"[ \t]*/\*.*?\*/", "", text, flags=re.S)


def fields(body, separator):
    """The fields of a structure, or the constants of an enumeration, with what is said of each."""
    out, current, depth, ended, at = [], "", 0, False, 0
    while at < len(body):
        if body.startswith("/*", at):
            end = body.index("*/", at) + 2
            if ended and out:
                out[-1].doc = " ".join(filter(None, [out[-1].doc, " ".join(plain(body[at:end]).split())]))
            elif current.strip():
                pending = " ".join(plain(body[at:end]).split())
                current += f"/*{pending}*/"
            at = end
            continue
        c = body[at]
        depth += (c in "({") - (c in ")}")
        if c == separator and depth == 0:
            out.append(one_field(current))
            current, ended = "", True
        else:
            if c == "\n" and not current.strip() and out and re.match(r"\s*/\*", body[at:]) is None:
                ended = False
            current += c
            ended = ended and c.isspace()
        at += 1
    if current.strip() and separator == ",":
        out.append(one_field(current))
    return [f for f in out if f.text]


def expanded(body):
    """A structure's body, with fields in place of a table of them, each with the last text of its row."""
    made = re.search(r'^#define (\w+)\((\w+),[^)]*\) (\w+) \2;.*?^#include "(gbx/\w+\.def)"\n#undef \1$', body, re.M | re.S)
    if not made:
        return body
    with open(os.path.join(ROOT, "include", made.group(4)), encoding="utf-8") as f:
        rows = re.findall(rf'^{made.group(1)}\((\w+),.*?"([^"]*)"\)$', uncommented(f.read()), re.M | re.S)
    lines = [f"    {made.group(3)} {name}; /* {said} */" for name, said in rows]
    return body[:made.start()] + "\n".join(lines) + body[made.end():]


def one_field(text):
    said = " ".join(re.findall(r"/\*(.*?)\*/", text, flags=re.S))
    text = " ".join(uncommented(text).split())
    text = re.sub(r"#\w.*?#undef \w+", "", text).strip()
    flat = re.sub(r"\{.*\}", "", text)
    pointer = re.search(r"\(\*(\w+)\)", flat)
    names = re.findall(r"(\w+)(?:\[[^\]]*\])?\s*(?:,|=.*|$)", flat)
    name = pointer.group(1) if pointer else ", ".join(names)
    return Field(text, name, said)


def understand(text, doc, line):
    """A declaration, by its text."""
    bare = uncommented(text)
    flat = " ".join(bare.split())
    if flat.startswith("GBX_API"):
        name = re.search(r"(\w+)\(", flat[len("GBX_API"):]).group(1)
        return Decl("function", name, bare, doc, line)
    match = re.match(r"typedef (struct|enum) \w+ \{", flat)
    if match or flat.startswith("enum {"):
        body = text[text.index("{") + 1:text.rindex("}")]
        name = re.search(r"(\w*);$", flat).group(1)
        if match and match.group(1) == "struct":
            return Decl("struct", name, bare, doc, line, fields(expanded(body), ";"))
        table = re.search(r'#include "(gbx/\w+\.def)"', body)
        if table:
            prefix = re.search(r"(\w+)##", body).group(1)
            return Decl("enum", name, bare, doc, line, [Field(f"{prefix}...", table.group(1))])
        return Decl("enum", name, bare, doc, line, fields(body, ","))
    match = re.match(r"typedef struct \w+ (\w+);", flat)
    if match:
        return Decl("opaque", match.group(1), bare, doc, line)
    match = re.match(r"typedef .*\(\*(\w+)\)\(", flat)
    if match:
        return Decl("callback", match.group(1), bare, doc, line)
    raise ValueError(f"line {line}: what is this? {flat}")


def parse(path):
    with open(os.path.join(ROOT, "include", path), encoding="utf-8") as f:
        text = f.read()
    head, decls, doc, behind, was_decl = "", [], "", False, False
    for kind, piece, line in pieces(text):
        if kind == "blank":
            doc, behind, was_decl = "", False, False
        elif kind == "comment":
            if not head:
                head = plain(piece)
            elif behind == line:
                decls[-1].doc = "\n".join(filter(None, [decls[-1].doc, plain(piece)]))
            else:
                doc, was_decl = plain(piece), False
        elif kind == "directive":
            macro = re.match(r"#define (GBX_\w+|gbx_own)\b(\([^)]*\))?[ \t]*", piece)
            if macro and not macro.group(1).endswith("_H"):
                said = " ".join(plain(c) for c in re.findall(r"/\*.*?\*/", piece, flags=re.S))
                decls.append(Decl("macro", macro.group(1), uncommented(piece), said or doc, line))
        else:
            decls.append(understand(piece, doc, line))
            behind, was_decl = line + piece.count("\n"), True
    return Header(path, head, decls)


def all_headers():
    """Public headers, the umbrella first, those without promise last."""
    paths = sorted(os.path.relpath(p, os.path.join(ROOT, "include"))
                   for p in glob.glob(os.path.join(ROOT, "include/gbx/**/*.h"), recursive=True))
    return [parse(p) for p in sorted(paths, key=lambda p: ("/unstable/" in p, p != "gbx/gbx.h", p))]


def version():
    with open(os.path.join(ROOT, "include/gbx/base.h"), encoding="utf-8") as f:
        return re.search(r'#define GBX_VERSION "([^"]+)"', f.read()).group(1)
