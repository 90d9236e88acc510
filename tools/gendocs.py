#!/usr/bin/env python3
"""The pages of docs/ that are made from the tables of the source.

usage: tools/gendocs.py [--write]

Without --write nothing is changed: prints `PASS docs/PAGE` or `FAIL docs/PAGE` for each page, by
whether the kept page is what the tables give now.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
import kept  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test/go-std"))
import table as go_std  # noqa: E402

NOTE = "<!-- Made by tools/gendocs.py from {}; `make bless` writes it. -->\n"


def rows(path, macro):
    """The arguments of each use of `macro` in a .def file; string literals joined and unquoted."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    for match in re.finditer(rf"^{macro}\(", text, flags=re.M):
        args, current, depth, at = [], "", 1, match.end()
        while depth:
            literal = re.match(r'"((?:\\.|[^"\\])*)"', text[at:])
            if literal:
                current += literal.group(1).replace(r"\n", "\n").replace(r"\"", '"')
                at += literal.end()
                continue
            c = text[at]
            depth += (c == "(") - (c == ")")
            if depth == 0 or (depth == 1 and c == ","):
                args.append(current.strip(" \t\r\n"))
                current = ""
            elif not c.isspace():
                current += c
            at += 1
        yield args


def value(expression):
    """A constant expression of C, such as `8ull << 30`."""
    plain = re.sub(r"(?<=\d)[uUlL]+", "", expression)
    if not re.fullmatch(r"[\da-fx\s<>*+()-]+", plain):
        raise ValueError(f"not a number: {expression}")
    return eval(plain)  # pylint: disable=eval-used


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def limits():
    out = ["# Limits", NOTE.format("src/wasm/limits.def, src/wasi/limits.def"),
           "A module or a guest that goes beyond one of these gets an error or a trap that names it.",
           "", "| limit | value | reason |", "|---|---:|---|"]
    for _, number, slug, reason in rows("src/wasm/limits.def", "GBX_LIMIT"):
        out.append(f"| {slug} | {value(number):,} | {cell(reason)} |")
    out += ["", "## WASI", "", "What a guest may make the host do in one call, or hold at once.", "",
            "| limit | value | reason |", "|---|---:|---|"]
    for name, number, reason in rows("src/wasi/limits.def", "WASI_LIMIT"):
        slug = name.lower().replace("_", "-")
        out.append(f"| {slug} | {value(number):,} | {cell(reason)} |")
    return out


def errors():
    out = ["# Errors, traps and exit codes",
           NOTE.format("include/gbx/errors.def, include/gbx/traps.def, src/cli/exits.def, "
                       "src/cli/topics.def"),
           "Slugs are stable: scripts may look for them. `glovebox help SLUG` says more.", "",
           "## Exit codes of the command", "",
           "The guest's own exit code passes through unchanged, 0 to 255.", "",
           "| code | meaning |", "|---:|---|"]
    for _, number, text in rows("src/cli/exits.def", "CLI_EXIT"):
        out.append(f"| {number} | {cell(text)} |")
    out += ["", "## Failures the host sees (`gbx_code`)", "",
            "| code | slug | text | remedy |", "|---|---|---|---|"]
    for code, slug, text, remedy in rows("include/gbx/errors.def", "GBX_ERROR"):
        out.append(f"| `GBX_{code}` | {slug} | {cell(text)} | {cell(remedy)} |")
    out += ["", "## Ends of a guest's call (`gbx_trap_code`)", "",
            "| code | slug | text | remedy | exit code |", "|---|---|---|---|---:|"]
    for code, slug, text, remedy, number in rows("include/gbx/traps.def", "GBX_TRAP"):
        shown = "the guest's" if code == "EXIT" else number
        out.append(f"| `GBX_TRAP_{code}` | {slug} | {cell(text)} | {cell(remedy)} | {shown} |")
    out += ["", "## Topics of `glovebox help`", "", "| topic | about |", "|---|---|"]
    for slug, title, _ in rows("src/cli/topics.def", "CLI_TOPIC"):
        out.append(f"| {slug} | {cell(title)} |")
    return out


def options():
    out = ["# Options of `glovebox run`", NOTE.format("src/cli/options.def"),
           "Options stand before FILE, as `--name value` or `--name=value`; what stands after FILE "
           "belongs to the guest. Each has a variable, `GLOVEBOX_MAX_MEMORY` for `--max-memory`; what is typed counts "
           "before it. Those of options that may be repeated hold several values, split as a shell splits them.", "", "| option | meaning |", "|---|---|"]
    table = list(rows("src/cli/options.def", "CLI_OPTION"))
    for _, name, argument, commands, text in table:
        shown = name if argument == "NULL" else f"{name} {argument}"
        if "RUN" in commands:
            out.append(f"| `{cell(shown)}` | {cell(text)} |")
    shared = [name for _, name, _, commands, _ in table if "RUN" in commands and "DIFF" in commands]
    out += ["", "# Options of `glovebox diff`", NOTE.format("src/cli/options.def"),
            "As above: " + ", ".join(f"`{name}`" for name in shared) + ". And its own:", "",
            "| option | meaning |", "|---|---|"]
    for _, name, argument, commands, text in table:
        shown = name if argument == "NULL" else f"{name} {argument}"
        if commands == "DIFF":
            out.append(f"| `{cell(shown)}` | {cell(text)} |")
    for name, where in (("compile", "They stand before FILE or behind it."),
                        ("measure", "They stand before FILE; what stands after it belongs to the guest.")):
        out += ["", f"# Options of `glovebox {name}`", NOTE.format("src/cli/options.def"), where, "",
                "| option | meaning |", "|---|---|"]
        for _, option, argument, commands, text in table:
            shown = option if argument == "NULL" else f"{option} {argument}"
            if name.upper() in commands.split(" | "):
                out.append(f"| `{cell(shown)}` | {cell(text)} |")
    out += ["", "# Options of `glovebox explore`", NOTE.format("src/cli/explore.def"),
            "They stand before FILE or behind it.", "", "| option | meaning |", "|---|---|"]
    for _, name, argument, text in rows("src/cli/explore.def", "CLI_EXPLORE"):
        shown = name if argument == "NULL" else f"{name} {argument}"
        out.append(f"| `{cell(shown)}` | {cell(text)} |")
    return out


KINDS = {"AS": "`{ours} VALUE`", "FLAG": "`{ours}`", "MOUNT": "`--dir`, as HOST:GUEST[:ro]",
         "GUEST": "`--dir`, as GUEST:HOST[:ro]", "SECONDS": "`{ours}`; a number alone is seconds",
         "MILLIS": "`{ours}`; a number alone is milliseconds", "PAGES": "`{ours}`, in pages of 64 KiB",
         "ON": "`--wasm-feature {ours}=on`", "OFF": "`--wasm-feature {ours}=off`", "SWITCH": "`{ours} on` or `off`",
         "YES": "always y; n is refused: {words}", "NO": "always n; y is refused: {words}", "MODE": "`{ours}`",
         "GROUP": "keys below", "EXPORT": "`{ours}` with the word behind FILE", "HOLDS": "always so",
         "HOLDS_VALUE": "always so", "VOID": "no meaning here, which is said: {words}",
         "PROFILER": "perfmap and jitdump: `--jit-symbols perf`; ours: `--profile`; "
         "others are refused: {words}", "VOID_VALUE": "no meaning here, which is said: {words}", "NEVER": "refused: {words}"}


def dialects():
    out = ["# Options of other runtimes", NOTE.format("src/cli/peers.def"),
           "What glovebox does for them: everywhere (any), or where it is called by the name of that runtime or with "
           "`--dialect NAME`, which counts first. Long names may have one dash or two.", "",
           "| whose | option | here |", "|---|---|---|"]
    for whose, name, kind, ours, words in rows("src/cli/peers.def", "CLI_PEER"):
        dashes = "-" if len(name) == 1 else "--"
        out.append(f"| {whose.lower()} | `{dashes}{name}` | {cell(KINDS[kind].format(ours=ours, words=words))} |")
    out += ["", "## Keys of wasmtime's groups", "", "`-W KEY=VALUE,KEY=VALUE`; a key alone is `KEY=y`. The names of features "
            "are keys of `-W`.", "", "| group | key | here |", "|---|---|---|"]
    for group, key, kind, ours, words in rows("src/cli/peers.def", "CLI_PEER_KEY"):
        out.append(f"| `-{group}` | `{key}` | {cell(KINDS[kind].format(ours=ours, words=words))} |")
    out += ["", "## Commands", "", "| whose | command | instead |", "|---|---|---|"]
    for whose, word, instead in rows("src/cli/peers.def", "CLI_PEER_COMMAND"):
        out.append(f"| {whose} | `{word}` | {cell(instead)} |")
    return out


def features():
    out = ["# Features of WebAssembly", NOTE.format("include/gbx/features.def"),
           "What is supported is on, and can be switched off for an engine (`gbx_engine_opts.features_off`) "
           "or a run (`--wasm-feature NAME=off`). The others are recognised and refused by name.", "",
           "| feature | state | meaning |", "|---|---|---|"]
    for _, name, state, _, meaning in rows("include/gbx/features.def", "GBX_FEATURE"):
        out.append(f"| {name} | {'on' if state == 'ON' else 'refused'} | {cell(meaning)} |")
    return out


def metrics():
    out = ["# Metrics", NOTE.format("include/gbx/metrics.def, src/runtime/keep.def"),
           "What is counted (`gbx/metrics.h`): the fields of `gbx_metrics`, members of the JSON objects, and names "
           "in the text for Prometheus, where times are in seconds. Those of a store have the labels `tenant` and "
           "`plugin` there; an engine and a module have the sum of their stores. Beside them there are "
           "`gbx_traps_total` by `reason` and `gbx_wasi_calls_total` by `call`.", "",
           "| field | counted by | Prometheus | meaning |", "|---|---|---|---|"]
    for field, _, of, name, _, meaning in rows("include/gbx/metrics.def", "GBX_METRIC"):
        by = {"STORE": "store, module, engine", "MODULE": "module, engine", "ENGINE": "engine"}[of]
        out.append(f"| {field} | {by} | {name} | {cell(meaning)} |")
    out += ["", "## What is kept", "", "Of engines and modules that nobody has (`gbx/keep.h`), and of labels.", "",
            "| bound | value | of |", "|---|---:|---|"]
    for name, number, meaning in rows("src/runtime/keep.def", "KEEP_LIMIT"):
        out.append(f"| {name.lower()} | {value(number.replace('(u64)', '')):,} | {cell(meaning)} |")
    return out


def fuel():
    with open(os.path.join(ROOT, "include/gbx/engine.h"), encoding="utf-8") as f:
        version = re.search(r"^#define GBX_FUEL_VERSION (\d+)$", f.read(), re.M).group(1)
    free = ", ".join(f"`{text}`" for _, text in rows("src/wasm/fuel.def", "FUEL_FREE"))
    table = [f"| `{text}` | {value(many)} {what} |"
             for _, text, many, what in rows("src/wasm/fuel.def", "FUEL_LENGTH")]
    text = f"""What a guest executes, counted. This is version {version} of the definition (`GBX_FUEL_VERSION`): while the
number stays, a run with the same input uses the same fuel, interpreted or compiled, on every machine.

It is counted where `gbx_engine_opts.metered` says so (`glovebox run --fuel NUMBER`); other engines have
no code for it.

## What costs

Each instruction of the module's text that is executed costs 1, the one that traps included. A branch
that the runtime makes shorter costs what the text says. But for these:

- {free} are free, and so is the `end` of a function, which returns from it;
- these cost as much more as they move, fill or give, rounded down:

| instruction | one more for each |
|---|---|
@
What grows a memory or a table costs that once it has grown; a refusal costs 1. Segments that are applied
at instantiation and host functions cost nothing: a host charges for its own work by `gbx_store_set_fuel`.

## Where it ends

A guest that has used more than its store's fuel ends with the trap `fuel`

- when the host calls it,
- at a `call`, `call_indirect`, `return_call` or `return_call_indirect`, before the callee is looked up,
- at a `br`, `br_if` or `br_table` that leads backwards,
- where it has caught an exception,
- at an instruction of the table that moves or fills, before it begins.

Every loop and every recursion passes one of these, so it goes beyond its fuel by the rest of the straight
code that it was in and no further; `gbx_store_fuel` says how much was used. What ended cannot be taken up
again: with more fuel the next call begins at its start, in memory as the trap left it. How deep a recursion
gets before the stack ends differs between tiers, and the fuel with it; so does where a deadline strikes."""
    before, after = text.split("@")
    return ["# Fuel", NOTE.format("src/wasm/fuel.def, include/gbx/engine.h"), *before.rstrip().split("\n"),
            *table, *after.split("\n")]


PAGES = {"limits.md": limits, "fuel.md": fuel, "metrics.md": metrics, "features.md": features, "errors.md": errors,
         "options.md": options, "dialects.md": dialects, "go-std.md": go_std.go_std}


def text_of(page):
    return "\n".join(PAGES[page]()) + "\n"


def write(page):
    kept.write(os.path.join(ROOT, "docs", page), text_of(page))
    print(f"wrote docs/{page}")


def main():
    failed = False
    for page in PAGES:
        if "--write" in sys.argv[1:]:
            write(page)
        elif not kept.judge(os.path.join(ROOT, "docs", page), text_of(page), f"docs/{page}",
                            f"docs/{page}: not what the tables give; run: make bless"):
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
