#!/usr/bin/env python3
"""The pages about the library, made from the headers, and about the command, made from its tables.

usage: tools/apidocs.py [--write]     docs/api/*.md: one page a header, and a list of all functions
       tools/apidocs.py --man DIR     DIR/man3/gbx.3, gbx_*.3 and DIR/man1/glovebox.1

Without arguments nothing is written: prints `PASS docs/api/PAGE` or `FAIL docs/api/PAGE` for each page, by whether the
kept page is what the headers give now, and `docs/api/docstrings`: every public function says what it does.
"""
import datetime
import os
import re
import sys

import gendocs
import headers
import kept

PAGES = "docs/api"
NOTE = "<!-- Made by tools/apidocs.py from include/{}; `make bless` writes it. -->"
CODE = re.compile(r"\bGBX_[A-Z][A-Z0-9_]+\b")


def page_name(path):
    """gbx/store.h -> store, gbx/unstable/trace.h -> unstable-trace."""
    return path[len("gbx/"):-len(".h")].replace("/", "-")


def man_name(path):
    return "gbx" if path == "gbx/gbx.h" else "gbx_" + page_name(path).replace("-", "_")


def undocumented(parsed):
    return [f"include/{h.path}:{f.line}: {f.name} has no docstring" for h in parsed for f in h.functions
            if len(f.doc.split()) < 3] + [
        f"include/{h.path}:{f.line}: neither {f.name} nor the head of the header says which thread may call it"
        for h in parsed for f in h.functions if not threads(f.doc) and not threads(h.head)]


def sources():
    """{function: the file that defines it}."""
    found = {}
    for folder, _, names in os.walk(os.path.join(headers.ROOT, "src")):
        for name in sorted(n for n in names if n.endswith(".c")):
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                for function in re.findall(r"^(gbx_\w+)\(", f.read(), re.M):
                    found.setdefault(function, os.path.relpath(path, headers.ROOT))
    return found


def error_codes():
    return {"GBX_" + row[0] for row in gendocs.rows("include/gbx/errors.def", "GBX_ERROR")} - {"GBX_OK"}


def threads(text):
    """The sentences about threads."""
    said = re.findall(r"(?:[^.;:]|\.[a-z])*?\b(?:[Tt]hread-safe|[Oo]ne thread|any thread|[Nn]ot while another thread|"
                      r"another thread or|thread of the store|store's thread|thread that compiles)\b(?:[^.;]|\.[a-z])*", text)
    return "; ".join(" ".join(s.split()) for s in said)


def facts(function, header, codes, where):
    """What the declaration and its docstring say, as (title, text): errors, ownership, threads, source. Of threads,
    what stands in the header's head counts where the function says nothing."""
    failures = [c for c in dict.fromkeys(CODE.findall(function.doc)) if c in codes]
    out = []
    if failures:
        out.append(("Errors", ", ".join(f"`{c}`" for c in failures)))
    owned = re.search(r"gbx_own [^,)]*\*\*?(\w+)", function.text)
    if owned:
        out.append(("Ownership", f"`*{owned.group(1)}` is the caller's, who releases it"))
    elif re.search(r"GBX_API gbx_own", " ".join(function.text.split())):
        out.append(("Ownership", "what is returned is the caller's, who frees it"))
    said = threads(function.doc) or threads(header.head)
    if said:
        out.append(("Threads", said))
    if function.name in where:
        out.append(("Source", f"[{where[function.name]}](../../{where[function.name]})"))
    return out


def paragraphs(text):
    """Text as Markdown: what is indented, as programs and lists are, stays as it is."""
    out, verbatim = [], False
    for line in text.split("\n"):
        deep = line.startswith(("    ", "  -")) or (verbatim and line.startswith("  "))
        if deep != verbatim and (line or verbatim):
            if not line:
                out.append(line)
                continue
            out.append("```")
            verbatim = deep
        out.append(line if verbatim else line.replace("*out", "\\*out").replace("<", "&lt;"))
    if verbatim:
        out.append("```")
    return out


def grouped(header):
    """Declarations, those that share a docstring together."""
    groups = []
    for decl in header.decls:
        together = groups and decl.kind == "function" == groups[-1][-1].kind and decl.doc and (
            decl.doc.split("\n")[0] == groups[-1][0].doc.split("\n")[0])
        if together:
            groups[-1].append(decl)
        else:
            groups.append([decl])
    return groups


def page(header, codes, where):
    out = [f"# &lt;{header.path}&gt;", NOTE.format(header.path), "", *paragraphs(header.head), ""]
    for group in grouped(header):
        first = group[0]
        if first.kind == "macro" and not first.doc:
            continue
        names = ", ".join(f"`{d.name or 'constants'}`" for d in group)
        out += [f"## {names}", ""]
        out += ["```c", *(line for d in group for line in d.text.strip().split("\n") if d.kind == "function"
                          or d.kind in ("callback", "macro", "opaque"))]
        if first.kind in ("struct", "enum"):
            out.append(f"typedef {first.kind} {first.name}" if first.name else "enum")
        out += ["```", ""]
        doc = max((d.doc for d in group), key=len)
        if doc:
            out += [*paragraphs(doc), ""]
        if first.fields:
            out += ["| | |", "|---|---|"]
            for f in first.fields:
                table = f.name.startswith("gbx/")
                text = f"one for each row of [{f.name}](../../include/{f.name})" if table else f.doc
                shown = f.text if table or first.kind == "enum" else f.text
                out.append(f"| `{gendocs.cell(shown)}` | {gendocs.cell(text)} |")
            out.append("")
        if first.kind == "function":
            out += [f"- {title}: {text}" for title, text in facts(first, header, codes, where)] + [""]
    return "\n".join(out).rstrip("\n") + "\n"


def index(parsed):
    out = ["# The library, header by header", NOTE.format("gbx/"), "",
           "How to begin: [embedding.md](../embedding.md). Failures and traps: [errors.md](../errors.md). "
           "How data lies in memory: [abi.txt](../abi.txt).", "", "| header | about |", "|---|---|"]
    for h in parsed:
        about = re.split(r"(?<=[a-z0-9)])[.:] |\n\n", " ".join(h.head.split("\n\n")[0].split()))
        out.append(f"| [{h.path}]({page_name(h.path)}.md) | {gendocs.cell(': '.join(about[:2]))} |")
    out += ["", "| function | header |", "|---|---|"]
    for name, h in sorted((f.name, h) for h in parsed for f in h.functions):
        out.append(f"| `{name}` | [{h.path}]({page_name(h.path)}.md) |")
    return "\n".join(out) + "\n"


# ---- man pages

def roff(text):
    """Text as roff: escaped, no line taken for a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def roff_doc(text):
    out, verbatim = [], False
    for line in text.split("\n"):
        deep = line.startswith(("    ", "  -", "GBX_")) or (verbatim and line.startswith("  "))
        if deep != verbatim and line:
            out.append(".nf" if deep else ".fi")
            verbatim = deep
        out.append(roff(line) if line else ".PP" if not verbatim else ".sp")
    return out + ([".fi"] if verbatim else [])


def man_head(name, section, about):
    # Fixed by the source, so that two builds of one source give one page.
    day = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    when = day.strftime("%Y-%m-%d") if day.year > 1970 else ""
    return [f'.TH {name} {section} "{when}" "glovebox {headers.version()}" "glovebox"', ".SH NAME",
            f"{name} \\- {roff(about)}"]


def man_header(header):
    about = re.split(r"(?<=[a-z0-9)])[.:] |\.$", " ".join(header.head.split("\n\n")[0].split()))
    out = man_head(man_name(header.path), 3, about[0] if len(about[0]) > 24 else ": ".join(about[:2]))
    functions = header.functions
    names = [f.name for f in functions]
    if names:
        out[-1] = ", ".join([man_name(header.path), *names]) + out[-1][len(man_name(header.path)):]
    out += [".SH SYNOPSIS", ".nf", f".B #include <{header.path}>", ".sp"]
    out += [roff(f.text.strip().replace("GBX_API ", "")) for f in functions]
    out += [".sp", "cc host.c $(pkg\\-config \\-\\-cflags \\-\\-libs gbx)", ".fi", ".SH DESCRIPTION",
            *roff_doc(header.head)]
    for group in grouped(header):
        first = group[0]
        if first.kind in ("macro", "opaque") and not first.doc:
            continue
        out += [".SS " + roff(", ".join(d.name or "constants" for d in group))]
        doc = max((d.doc for d in group), key=len)
        out += roff_doc(doc) if doc else []
        for f in first.fields:
            shown = f"one for each row of {f.name}" if f.name.startswith("gbx/") else f.text
            out += [".TP", f".B {roff(shown)}", roff(f.doc) or "\\&"]
    return out + [".SH SEE ALSO", ".BR glovebox (1)" if header.path == "gbx/gbx.h" else ".BR gbx (3)"]


def man_command():
    out = man_head("glovebox", 1, "run Go programs built for WASI, with nothing granted that was not asked for")
    table = list(gendocs.rows("src/cli/commands.def", "CLI_COMMAND"))
    out += [".SH SYNOPSIS", ".B glovebox", "[OPTION]... FILE [ARGUMENT]..."]
    for name, _, usage, _ in table:
        out += [".br", f".B glovebox {name}", roff(usage) or "\\&"]
    out += [".SH DESCRIPTION",
            "Runs FILE, a WebAssembly module for WASI preview 1 such as Go makes with GOOS=wasip1 GOARCH=wasm. "
            "Without options it has its arguments, the three standard streams, the clock and random numbers. Options "
            "stand before FILE; what stands behind it belongs to the program.", ".PP",
            "glovebox help says more of each command, glovebox help SLUG of each message.", ".SH COMMANDS"]
    for name, _, _, words in table:
        out += [".TP", f".B {name}", roff(words)]
    out.append(".SH OPTIONS")
    for _, name, argument, commands, text in gendocs.rows("src/cli/options.def", "CLI_OPTION"):
        shown = name if argument == "NULL" else f"{name} {argument}"
        only = "" if "RUN" in commands else f" (glovebox {commands.split(' | ')[0].lower()})"
        out += [".TP", f".B {roff(shown)}", roff(text + only)]
    out.append(".SH EXIT STATUS")
    for row in gendocs.rows("src/cli/exits.def", "CLI_EXIT"):
        out += [".TP", f".B {row[1]}", roff(" ".join(row[-1].split()))]
    out += [".SH ENVIRONMENT", "Each option has a variable: GLOVEBOX_ and its name in capitals, as GLOVEBOX_MAX_MEMORY for "
            "\\-\\-max\\-memory. What is typed counts before it. Of options that may be repeated it holds several values, split "
            "as a shell splits them; of flags 1 or 0.", ".TP", ".B GOWASIRUNTIMEARGS",
            "options for programs that the Go tool starts", ".TP", ".B GOWASIRUNTIME",
            "the runtime that go_wasip1_wasm_exec starts, where it is another than glovebox", ".TP",
            ".B NO_COLOR", "messages have no colours"]
    for slug, title, text in gendocs.rows("src/cli/topics.def", "CLI_TOPIC"):
        if slug in ("grants", "go-install", "dialects"):
            out += [f".SH {roff(title.upper())}", ".nf", roff(text).rstrip("\n"), ".fi"]
    return out + [".SH SEE ALSO", ".BR gbx (3)"]


def write_man(folder, parsed):
    pages = {f"man3/{man_name(h.path)}.3": man_header(h) for h in parsed}
    pages["man1/glovebox.1"] = man_command()
    for name, lines in pages.items():
        kept.write(os.path.join(folder, name), "\n".join(lines) + "\n")


def main():
    parsed = headers.all_headers()
    missing = undocumented(parsed)
    if missing:
        print("\n".join(missing))
    if "--man" in sys.argv[1:]:
        write_man(sys.argv[sys.argv.index("--man") + 1], parsed)
        return 1 if missing else 0
    codes, where = error_codes(), sources()
    pages = {f"{page_name(h.path)}.md": page(h, codes, where) for h in parsed}
    pages["README.md"] = index(parsed)
    folder = os.path.join(headers.ROOT, PAGES)
    if "--write" in sys.argv[1:]:
        for name, text in pages.items():
            kept.write(os.path.join(folder, name), text)
        for old in set(os.listdir(folder)) - set(pages):
            os.remove(os.path.join(folder, old))
        print(f"wrote {PAGES}")
        return 1 if missing else 0
    print(f"{'FAIL' if missing else 'PASS'} docs/api/docstrings")
    failed = bool(missing)
    for name, text in sorted(pages.items()):
        if not kept.judge(os.path.join(folder, name), text, f"docs/api/{name}",
                          f"{PAGES}/{name}: not what the headers give; run: make bless"):
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
