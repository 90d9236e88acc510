#!/usr/bin/env python3
"""The binary interface: which version of the library each public function came with, and how plain data
lies in memory.

usage: tools/abi.py [--write]

src/api/libgbx.map is the linker's version script. Each function of the headers stands in it once: those of
include/gbx/unstable/ under a version of their own, which only this very release has. `make bless` puts new
ones under the version of include/gbx/base.h.

docs/abi.txt has every public structure with its size and the offsets of its fields, and every constant.
Options may grow at their end; anything else that changes there breaks programs that were compiled before.

Without --write nothing is changed: prints `PASS docs/abi/PART` or `FAIL docs/abi/PART`.
"""
import os
import re
import subprocess
import sys
import tempfile

import headers
import kept

MAP, LAYOUT = "src/api/libgbx.map", "docs/abi.txt"
MAP_HEAD = """/* The linker's version script for libgbx.so, and the record of which version each public function came with.
 * Made by tools/abi.py from include/gbx/; `make bless` puts new functions under the version that is being
 * worked on. Of a released version nothing is ever removed. */
"""
LAYOUT_HEAD = """# Public plain data on 64-bit machines. Made by tools/abi.py from include/gbx/; `make bless` writes it.
# A structure: its size, then its fields with their offsets. Then constants.
"""


def kept_map():
    """{function: version} of the kept version script."""
    text = headers.uncommented(kept.read(os.path.join(headers.ROOT, MAP)))
    return {name: version for version, body in re.findall(r"(GBX_[\w.]+) \{(.*?)\}", text, re.S)
            for name in re.findall(r"\b(gbx_\w+);", body)}


def version_key(node):
    return ["UNSTABLE" in node, *map(int, re.findall(r"\d+", node))]


def make_map(parsed):
    """The version script: what is kept stays where it is, what is new comes under today's version."""
    today = "GBX_" + ".".join(headers.version().split(".")[:2])
    unstable = "GBX_UNSTABLE_" + headers.version()
    known, nodes = kept_map(), {today: set()}
    for header in parsed:
        for function in header.functions:
            old = known.get(function.name, today)
            node = unstable if header.is_unstable else today if "UNSTABLE" in old else old
            nodes.setdefault(node, set()).add(function.name)
    out, before = [MAP_HEAD], None
    for node in sorted(nodes, key=version_key):
        lines = "".join(f"    {name};\n" for name in sorted(nodes[node]))
        hidden = "" if before else "local:\n    *;\n"
        parent = f" {before}" if before and "UNSTABLE" not in node else ""
        out.append(f"{node} {{\nglobal:\n{lines}{hidden}}}{parent};\n")
        before = before if "UNSTABLE" in node else node
    return "\n".join(out)


def gone_from_released(parsed):
    """Functions of versions before this one that the headers no longer have."""
    today = "GBX_" + ".".join(headers.version().split(".")[:2])
    there = {f.name for h in parsed for f in h.functions}
    return sorted(name for name, node in kept_map().items()
                  if name not in there and node != today and "UNSTABLE" not in node)


def make_layout(parsed):
    """Ask the compiler."""
    lines = ["#include <gbx/gbx.h>", "#include <stdio.h>",
             *(f"#include <{h.path}>" for h in parsed if h.is_unstable), "int main(void)", "{"]
    for header in parsed:
        for decl in header.decls:
            if decl.kind == "struct":
                lines.append(f'printf("{decl.name} %zu:", sizeof({decl.name}));')
                for name in (n for f in decl.fields for n in f.name.split(", ")):
                    lines.append(f'printf(" {name}@%zu", offsetof({decl.name}, {name}));')
                lines.append('printf("\\n");')
    for header in parsed:
        for decl in (d for d in header.decls if d.kind == "enum"):
            for name in constants(decl):
                lines.append(f'printf("{name} = %lld\\n", (long long){name});')
    lines += ["return 0;", "}"]
    with tempfile.TemporaryDirectory() as work:
        source, program = os.path.join(work, "layout.c"), os.path.join(work, "layout")
        with open(source, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        subprocess.run([os.environ.get("CC") or "cc", "-std=c11", "-I", os.path.join(headers.ROOT, "include"),
                        "-o", program, source], check=True)
        said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return LAYOUT_HEAD + said


def constants(decl):
    """The names of an enumeration's constants; those made from a table are read from the table, without the
    ones behind it, which are its length and change with every row."""
    match = re.search(r'#define (GBX_\w+)\((\w+)[^)]*\) (GBX_\w*?)##', decl.text)
    if not match:
        return [f.name for f in decl.fields]
    table = re.search(r'#include "(gbx/\w+\.def)"', decl.text).group(1)
    with open(os.path.join(headers.ROOT, "include", table), encoding="utf-8") as f:
        rows = re.findall(rf"^{match.group(1)}\((\w+)", headers.uncommented(f.read()), re.M)
    return [match.group(3) + row for row in rows]


def main():
    parsed, failed = headers.all_headers(), False
    write = "--write" in sys.argv[1:]
    gone = gone_from_released(parsed)
    for name in gone:
        print(f"{MAP}: {name} was in a released version; programs need it")
    if gone:
        print("FAIL docs/abi/removed")
        return 1
    for part, path, make in (("versions", MAP, make_map), ("layout", LAYOUT, make_layout)):
        text, full = make(parsed), os.path.join(headers.ROOT, path)
        if write:
            kept.write(full, text)
            print(f"wrote {path}")
            continue
        new, old = set(text.split("\n")), set(kept.read(full).split("\n"))
        said = [*(f"+ {line}" for line in sorted(new - old)), *(f"- {line}" for line in sorted(old - new)),
                f"{path}: not what the headers give; if it is meant, run: make bless"]
        if not kept.judge(full, text, f"docs/abi/{part}", "\n".join(said)):
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
