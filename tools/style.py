#!/usr/bin/env python3
"""Checks of the house rules that a script can see (STYLE.md, ARCHITECTURE.md).

usage: tools/style.py [--objects DIR] [NAME...]

Prints `path:line: what is wrong` for each finding, then `PASS style/NAME` or `FAIL style/NAME` for
each check. --objects names a build directory (build/release), whose symbols are checked too.
"""
import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 110  # 100 is the aim; a comment that ends at 103 is not worth a failed build
SHARED_HEADERS = {"gbx/base.h", "gbx/error.h", "gbx/errors.def", "gbx/feature.h", "gbx/features.def",
                  "gbx/trap.h", "gbx/traps.def"}

# What is not to be called, and what to call instead.
BANNED = {
    "strcpy": "a bounded copy", "strcat": "a text builder", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "gets": "fgets", "alloca": "an arena", "strtok": "strcspn",
    "strncpy": "memcpy with a checked length", "strncat": "a text builder", "atoi": "strtol",
    "atol": "strtol", "tmpnam": "mkstemp", "mktemp": "mkstemp", "system": "posix_spawn",
    "popen": "posix_spawn", "scanf": "a reader", "sscanf": "a reader", "longjmp": "an error code",
    "setjmp": "an error code", "asctime": "strftime", "ctime": "strftime", "rand": "getrandom",
}
# The only files that may call the allocator of libc.
ALLOCATORS = {"src/base/alloc.c", "src/cli/text.c", "src/cli/heap.c"}
# The only files of the library that may write to a standard stream.
SPEAKERS = {"src/base/error.c"}


def tracked():
    """All files of the repository: those in the index and those that would be added."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                         capture_output=True, text=True)
    if out.returncode == 0:
        names = out.stdout.split("\n")
    else:
        names = [os.path.relpath(os.path.join(d, f), ROOT) for d, _, fs in os.walk(ROOT)
                 for f in fs if "/build" not in d and "/.git" not in d]
    return sorted(n for n in names if n and os.path.isfile(os.path.join(ROOT, n)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def is_c(name):
    return name.endswith((".c", ".h"))


def strip_comments(text):
    """Comments, strings and character constants blanked, line structure kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


class Check:
    """Findings of one check."""

    def __init__(self, name):
        self.name = name
        self.findings = []

    def add(self, path, line, text):
        self.findings.append(f"{path}:{line}: {text}")


def layer_table():
    """The table of ARCHITECTURE.md: folder -> folders whose headers it may include."""
    layers = {}
    for line in read("ARCHITECTURE.md").split("\n"):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        match = re.fullmatch(r"`src/([\w/]+)/`", cells[1]) if len(cells) == 4 else None
        if match:
            layers[match.group(1)] = set(cells[3].replace("`", "").replace(",", " ").split())
    return layers


def check_layers(files, check):
    layers = layer_table()
    if len(layers) < 8:
        check.add("ARCHITECTURE.md", 1, "the table of layers was not understood")
    for name in files:
        parts = name.split("/")
        if parts[0] != "src" or not name.endswith((".c", ".h", ".def")):
            continue
        folder = "/".join(parts[1:-1])
        if folder not in layers:
            check.add(name, 1, "this folder has no row in ARCHITECTURE.md")
            continue
        may = layers[folder]
        for number, line in enumerate(read(name).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not match:
                continue
            target = match.group(2)
            top = target.split("/")[0]
            if match.group(1) == "<" and top != "gbx":
                continue
            if top == "gbx":
                allowed = target in SHARED_HEADERS or "include/gbx" in may or "all" in may
            else:
                allowed = top == folder or top in may or ("all" in may and top != "cli")
            if not allowed:
                check.add(name, number, f"{folder}/ may not include {target}")
            if top != "gbx" and not os.path.exists(os.path.join(ROOT, "src", target)):
                check.add(name, number, f"includes are written from src/: {target}")


def functions(text):
    """(name, first line, last line) of each function whose body opens at column 0."""
    lines = text.split("\n")
    for start, line in enumerate(lines):
        match = re.match(r"(\w+)\(", line)
        if not match or start == 0:
            continue
        end = start
        while end < len(lines) and not re.match(r"[{;}]", lines[end]) and not lines[end].endswith(";"):
            end += 1
        if end >= len(lines) or not lines[end].startswith("{"):
            continue
        close = end
        while close < len(lines) and not lines[close].startswith("}"):
            close += 1
        yield match.group(1), start + 1, close + 1


def check_functions(files, check):
    for name in files:
        if not is_c(name) or not name.startswith(("src/", "include/")):
            continue
        text = read(name)
        lines = text.split("\n")
        for function, first, last in functions(strip_comments(text)):
            if last - first + 1 <= FUNCTION_LINES_MAX:
                continue
            reason = any("STYLE:" in line for line in lines[max(0, first - 12):first + 3])
            if not reason:
                check.add(name, first, f"{function} has {last - first + 1} lines, at most "
                          f"{FUNCTION_LINES_MAX} (a switch over opcodes says why: STYLE: reason)")


def check_files(files, check):
    for name in files:
        if not name.endswith((".c", ".h", ".def", ".py", ".sh", ".go", ".mk")):
            continue
        text = read(name)
        lines = text.split("\n")
        if len(lines) > FILE_LINES_MAX:
            check.add(name, 1, f"{len(lines)} lines, at most {FILE_LINES_MAX}")
        if text and not text.endswith("\n"):
            check.add(name, len(lines), "no newline at the end of the file")
        for number, line in enumerate(lines, 1):
            if line != line.rstrip():
                check.add(name, number, "white space at the end of the line")
            if is_c(name) and "\t" in line:
                check.add(name, number, "a tab")
            if is_c(name) and name.startswith(("src/", "include/")) and len(line) > COLUMNS_MAX:
                check.add(name, number, f"{len(line)} columns, at most {COLUMNS_MAX}")
        if name.startswith(("src/", "include/")) and not text.startswith("/*"):
            check.add(name, 1, "the file does not open with a comment that says what it does")


def check_banned(files, check):
    words = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    libc = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|strndup|asprintf)\s*\(")
    speak = re.compile(r"(?<![\w.>])(printf|puts|perror|putchar)\s*\(|\b(stdout|stderr)\b")
    for name in files:
        if not is_c(name) or not name.startswith("src/"):
            continue
        for number, line in enumerate(strip_comments(read(name)).split("\n"), 1):
            for match in words.finditer(line):
                word = match.group(1)
                check.add(name, number, f"{word} is banned: use {BANNED[word]}")
            match = libc.search(line)
            if match and name not in ALLOCATORS:
                check.add(name, number, f"{match.group(1)}: allocate through base/alloc.h or an arena")
            match = speak.search(line)
            if match and name not in SPEAKERS and not name.startswith("src/cli/"):
                check.add(name, number, "the library never writes to a standard stream")


def check_words(files, check):
    machine = re.compile(r"(?<![\w.])/(?:(?:wor[k]|far[m]|roo[t])/[a-z]|home/[a-z]+/[a-z])")
    open_end = re.compile(r"\b(FIXM[E]|XX[X]|HAC[K])\b|\bTOD[O]\b(?!\(#\d+\))")
    for name in files:
        if name.endswith((".wasm", ".png", ".jpg", ".gz", ".sum")):
            continue
        for number, line in enumerate(read(name).split("\n"), 1):
            if machine.search(line):
                check.add(name, number, "a path of one machine")
            if open_end.search(line) and name != "STYLE.md":
                check.add(name, number, "left open: mend it now, or name its issue as (#n)")


def check_names(files, check):
    typedef = re.compile(r"^\s*}?\s*typedef\b.*\b(\w+_t);|^}\s*(\w+_t);")
    for name in files:
        if not is_c(name) or not name.startswith(("src/", "include/")):
            continue
        for number, line in enumerate(strip_comments(read(name)).split("\n"), 1):
            match = typedef.match(line)
            if match:
                check.add(name, number, f"{match.group(1) or match.group(2)}: _t belongs to POSIX")
        if name.endswith(".h") and not re.search(r"#ifndef (GBX_\w+_H)\n#define \1\n", read(name)):
            check.add(name, 1, "no include guard GBX_..._H")


def check_linkage(objects, check):
    lib = os.path.join(objects, "libgbx.a")
    cli = [os.path.join(objects, "src/cli", f) for f in sorted(os.listdir(
        os.path.join(objects, "src/cli"))) if f.endswith(".o")]
    out = subprocess.run(["nm", "-g", "--defined-only", "-A", lib, *cli], capture_output=True,
                         text=True, check=True).stdout
    for line in out.split("\n"):
        fields = line.split()
        if len(fields) < 3:
            continue
        symbol = fields[-1]
        if not symbol.startswith("gbx_") and symbol != "main":
            check.add(fields[0], 0, f"{symbol} leaves its file without the prefix gbx_")


CHECKS = {
    "layers": check_layers, "functions": check_functions, "files": check_files,
    "banned": check_banned, "words": check_words, "names": check_names,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    files = tracked()
    failed = False
    for name in [*CHECKS, *(["linkage"] if args.objects else [])]:
        if args.names and name not in args.names:
            continue
        check = Check(name)
        if name == "linkage":
            check_linkage(args.objects, check)
        else:
            CHECKS[name](files, check)
        for finding in check.findings:
            print(finding)
        print(f"{'FAIL' if check.findings else 'PASS'} style/{name}")
        failed = failed or bool(check.findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
