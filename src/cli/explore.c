/* `glovebox explore`: what became of a module's functions. Nothing of the module runs.
 *
 * Standard output gets what was asked for, standard error what went wrong. Names of functions are matched as
 * they are shown, so that a name can be copied from the list. */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/disasm.h"
#include "cli/explore.h"

typedef enum explore_option {
#define CLI_EXPLORE(id, name, argument, help) EXPLORE_OPT_##id,
#include "cli/explore.def"
#undef CLI_EXPLORE
    EXPLORE_OPT_COUNT
} explore_option;

/* ORDER: explore_option */
static const cli_option explore_options[EXPLORE_OPT_COUNT] = {
#define CLI_EXPLORE(id, name, argument, help) {name, argument, help, 0},
#include "cli/explore.def"
#undef CLI_EXPLORE
};

typedef struct explore_line {
    int argc;
    char **argv;
    const char *values[EXPLORE_OPT_COUNT]; /* "" for a flag; NULL: not given */
    int file;                              /* index in argv; 0: there is none */
    unsigned stages;
} explore_line;

void
gbx_cli_help_explore(FILE *to)
{
    fputs("usage: glovebox explore [options] FILE\n"
          "\n"
          "List the functions of the module FILE and what compiling them gives, or show one: its\n"
          "instructions beside their machine code. Nothing of FILE runs.\n"
          "\n"
          "options:\n",
          to);
    gbx_cli_help_options(to, explore_options, EXPLORE_OPT_COUNT, 0);
}

/* ---- The command line */

static const char *
explore_command(const explore_line *line, const char *more)
{
    return gbx_cli_format("%s explore%s%s %s", gbx_cli_quote(line->argv[0]), *more ? " " : "", more,
                          line->file ? gbx_cli_quote(line->argv[line->file]) : "main.wasm");
}

static int
explore_unknown(const explore_line *line, const char *word)
{
    const char *near = NULL;
    unsigned best = 4;
    for (size_t i = 0; i < EXPLORE_OPT_COUNT; i++) {
        unsigned const d = gbx_cli_distance(word, explore_options[i].name);
        if (d >= best) continue;
        best = d;
        near = explore_options[i].name;
    }
    return gbx_cli_usage_error(
            "unknown-option",
            gbx_cli_format("explore has no option %s%s", gbx_cli_show(word),
                           near ? gbx_cli_format("; did you mean %s?", near) : ""),
            NULL, explore_command(line, "--help"));
}

static int
explore_bad(explore_option id, const char *value, const char *why)
{
    return gbx_cli_usage_error(
            "bad-value", gbx_cli_format("%s cannot be %s", explore_options[id].name, gbx_cli_quote(value)),
            why, gbx_cli_format("%s %s", explore_options[id].name, explore_options[id].argument));
}

static int
explore_stages(explore_line *line)
{
    static const char *const names[] = {"wat", "facts", "asm"};
    const char *const given = line->values[EXPLORE_OPT_STAGE];
    if (!given) {
        line->stages = gbx_cli_disasm_missing ? EXPLORE_WAT | EXPLORE_FACTS : EXPLORE_ALL;
        return CLI_EXIT_OK;
    }
    for (const char *at = given;; at++) {
        size_t const len = strcspn(at, ",");
        size_t i = 0;
        while (i < CLI_LEN(names) && (strlen(names[i]) != len || memcmp(names[i], at, len) != 0)) i++;
        if (i == CLI_LEN(names))
            return explore_bad(EXPLORE_OPT_STAGE, given, "stages are wat, facts and asm");
        line->stages |= 1u << i;
        at += len;
        if (!*at) break;
    }
    if (!(line->stages & EXPLORE_ASM) || !gbx_cli_disasm_missing) return CLI_EXIT_OK;
    return gbx_cli_usage_error("no-disassembler", "this glovebox cannot show machine code",
                               "it was built without the library Zydis", gbx_cli_disasm_missing);
}

/* Read the word at *at, and its value. */
static int
explore_word(explore_line *line, int *at)
{
    const char *const word = line->argv[*at];
    size_t const len = strcspn(word, "=");
    explore_option id = strcmp(word, "-h") ? 0 : EXPLORE_OPT_HELP;
    while (id < EXPLORE_OPT_COUNT && id != EXPLORE_OPT_HELP &&
           (strlen(explore_options[id].name) != len || memcmp(explore_options[id].name, word, len) != 0))
        id++;
    bool const is_help = !strcmp(word, "-h") || !strcmp(word, explore_options[EXPLORE_OPT_HELP].name);
    if (id == EXPLORE_OPT_COUNT || (id == EXPLORE_OPT_HELP && !is_help))
        return explore_unknown(line, gbx_cli_copy(word, len));
    if (word[len]) line->values[id] = word + len + 1;
    else if (!explore_options[id].argument) line->values[id] = "";
    else if (*at + 1 < line->argc) line->values[id] = line->argv[++*at];
    else
        return gbx_cli_usage_error("missing-value",
                                   gbx_cli_format("%s needs a value: %s %s", explore_options[id].name,
                                                  explore_options[id].name, explore_options[id].argument),
                                   "the command line ends there",
                                   gbx_cli_format("give it as `%s VALUE` or `%s=VALUE`",
                                                  explore_options[id].name, explore_options[id].name));
    return CLI_EXIT_OK;
}

static int
explore_parse(explore_line *line, int argc, char **argv, int first)
{
    *line = (explore_line){.argc = argc, .argv = argv};
    bool are_options = true;
    for (int i = first; i < argc; i++) {
        if (are_options && !strcmp(argv[i], "--")) {
            are_options = false;
        } else if (are_options && argv[i][0] == '-' && argv[i][1]) {
            int const status = explore_word(line, &i);
            if (status != CLI_EXIT_OK) return status;
        } else if (!line->file) {
            line->file = i;
        } else {
            return gbx_cli_usage_error("too-many-files",
                                       gbx_cli_format("%s is one word too many", gbx_cli_quote(argv[i])),
                                       "explore looks at one FILE and runs nothing",
                                       explore_command(line, ""));
        }
    }
    if (line->values[EXPLORE_OPT_HELP]) return CLI_EXIT_OK;
    if (!line->file)
        return gbx_cli_usage_error("no-file", "there is no FILE to look at",
                                   "the command line has nothing but options", explore_command(line, ""));
    return explore_stages(line);
}

/* ---- All functions */

typedef struct explore_totals {
    uint32_t funcs, compiled;
    uint64_t bytes, compiled_bytes, code_bytes;
} explore_totals;

static void
explore_row(uint32_t idx, const gbx_inspect_info *info, explore_totals *t)
{
    const char *const name = *info->name ? info->name : "-";
    const char *const dispatch = info->has_dispatch ? "dispatch" : "-";
    t->funcs++;
    t->bytes += info->bytes;
    if (info->beyond) {
        printf("%7" PRIu32 " %8" PRIu32 " %7" PRIu32 "  %-8s  %14s  %s (%s)\n", idx, info->bytes,
               info->blocks, dispatch, "interpreted", name, info->beyond);
        return;
    }
    t->compiled++;
    t->compiled_bytes += info->bytes;
    t->code_bytes += info->code.len;
    printf("%7" PRIu32 " %8" PRIu32 " %7" PRIu32 "  %-8s  %8zu %5" PRIu32 "  %s\n", idx, info->bytes,
           info->blocks, dispatch, info->code.len, info->frame_bytes, name);
}

static double
explore_share(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 100.0;
}

static gbx_code
explore_list(gbx_inspect *in, gbx_err *err)
{
    explore_totals t = {0};
    printf("%7s %8s %7s  %-8s  %8s %5s  %s\n", "index", "bytes", "blocks", "", "code", "frame", "name");
    for (uint32_t i = gbx_inspect_import_count(in); i < gbx_inspect_func_count(in); i++) {
        gbx_inspect_info info;
        gbx_code const code = gbx_inspect_func(in, i, &info, err);
        if (code != GBX_OK) return code;
        explore_row(i, &info, &t);
    }
    printf("%" PRIu32 " of %" PRIu32 " functions compile (%.1f%%, %.1f%% of the bytes): %" PRIu64
           " bytes of bodies become %" PRIu64 " bytes of machine code\n",
           t.compiled, t.funcs, explore_share(t.compiled, t.funcs), explore_share(t.compiled_bytes, t.bytes),
           t.compiled_bytes, t.code_bytes);
    return GBX_OK;
}

/* ---- One function, or several */

/* The function that all of `text` is the index of; GBX_INSPECT_NONE: it is none. */
static uint32_t
explore_index(const char *text)
{
    char *end;
    errno = 0;
    unsigned long const n = strtoul(text, &end, 10);
    bool const is_number = *text >= '0' && *text <= '9' && !*end && !errno;
    return is_number && n < GBX_INSPECT_NONE ? (uint32_t)n : GBX_INSPECT_NONE;
}

static gbx_code
explore_one(gbx_inspect *in, uint32_t idx, unsigned stages, gbx_err *err)
{
    gbx_inspect_info info;
    gbx_code const code = gbx_inspect_func(in, idx, &info, err);
    if (code == GBX_OK) gbx_cli_explore_show(in, idx, &info, stages);
    return code;
}

static int
explore_no_func(gbx_inspect *in, const explore_line *line)
{
    const char *const wanted = line->values[EXPLORE_OPT_FUNC];
    uint32_t const imports = gbx_inspect_import_count(in), count = gbx_inspect_func_count(in);
    uint32_t const idx = explore_index(wanted);
    const char *near = NULL;
    unsigned best = 6;
    for (uint32_t i = imports; i < count; i++) {
        unsigned const d = gbx_cli_distance(wanted, gbx_inspect_name(in, i));
        if (d >= best) continue;
        best = d;
        near = gbx_inspect_name(in, i);
    }
    const char *const why =
            idx < imports ? gbx_cli_format("functions 0 to %" PRIu32 " are imported: they have no body",
                                           imports - 1)
            : idx != GBX_INSPECT_NONE ? gbx_cli_format("the module has %" PRIu32 " functions", count)
                                      : "no name in the module's name section is that, or matches it";
    return gbx_cli_usage_error(
            "no-such-function", gbx_cli_format("there is no function %s to show", gbx_cli_quote(wanted)), why,
            explore_command(line, near ? gbx_cli_format("--func %s", gbx_cli_quote(near)) : ""));
}

/* By index; else those of that very name; else those that match it as a pattern. */
static int
explore_funcs(gbx_inspect *in, const explore_line *line, gbx_code *code, gbx_err *err)
{
    const char *const wanted = line->values[EXPLORE_OPT_FUNC];
    uint32_t const imports = gbx_inspect_import_count(in), count = gbx_inspect_func_count(in);
    uint32_t const idx = explore_index(wanted);
    if (idx >= imports && idx < count) {
        *code = explore_one(in, idx, line->stages, err);
        return CLI_EXIT_OK;
    }
    uint32_t shown = 0;
    for (int is_pattern = 0; is_pattern < 2 && !shown; is_pattern++) {
        for (uint32_t i = imports; i < count && *code == GBX_OK; i++) {
            const char *const name = gbx_inspect_name(in, i);
            if (is_pattern ? fnmatch(wanted, name, FNM_NOESCAPE) : strcmp(wanted, name)) continue;
            if (shown++) putchar('\n');
            *code = explore_one(in, i, line->stages, err);
        }
    }
    return shown ? CLI_EXIT_OK : explore_no_func(in, line);
}

/* The program beside this one that has the disassembler goes on instead; where there is none this one does.
 *
 * SAFETY: its name is that of this very program with a word behind it: who can put one there can replace this
 * program too. */
static void
explore_beside(char **argv)
{
    static const char word[] = "-explore";
    char path[4096];
    ssize_t const len = readlink("/proc/self/exe", path, sizeof path - sizeof word);
    if (len <= 0 || (size_t)len == sizeof path - sizeof word) return;
    memcpy(path + len, word, sizeof word);
    (void)execv(path, argv);
}

int
gbx_cli_explore(int argc, char **argv, int first)
{
    static gbx_err err;
    explore_line line;
    if (gbx_cli_disasm_missing) explore_beside(argv);
    int status = explore_parse(&line, argc, argv, first);
    if (status != CLI_EXIT_OK) return status;
    if (line.values[EXPLORE_OPT_HELP]) {
        gbx_cli_help_explore(stdout);
        return CLI_EXIT_OK;
    }
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_inspect *in = NULL;
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    engine_opts.keep_ms = GBX_KEEP_OFF;
    engine_opts.metered = line.values[EXPLORE_OPT_FUEL] != NULL;
    gbx_code code = gbx_engine_new(&engine_opts, &engine, &err);
    gbx_compile_opts opts = GBX_COMPILE_OPTS_INIT;
    opts.trust = GBX_TRUST_NOTHING;
    if (code == GBX_OK) code = gbx_module_compile_file(engine, argv[line.file], &opts, &module, &err);
    if (code == GBX_OK) code = gbx_inspect_new(module, &in, &err);
    if (code == GBX_OK) {
        if (line.values[EXPLORE_OPT_FUNC]) status = explore_funcs(in, &line, &code, &err);
        else code = explore_list(in, &err);
    }
    if (code != GBX_OK) {
        cli_line const words = {.argc = argc, .argv = argv, .first = first, .file = line.file};
        cli_plan const plan = {.line = &words, .program = argv[line.file]};
        status = gbx_cli_report_error(&plan, module, code, &err);
    } else if (status == CLI_EXIT_OK && gbx_cli_disasm_missing && !line.values[EXPLORE_OPT_STAGE] &&
               line.values[EXPLORE_OPT_FUNC]) {
        gbx_cli_diag(&(cli_diag){.kind = "note",
                                 .slug = "no-disassembler",
                                 .message = "machine code is not shown",
                                 .why = "this glovebox was built without the library Zydis",
                                 .fix = gbx_cli_disasm_missing});
    }
    gbx_inspect_release(in);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return status;
}
