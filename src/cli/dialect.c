/* The options of other runtimes, written in ours before anything is parsed.
 *
 * A word is looked up among the dialect's own rows of peers.def, then among our options, then among the
 * rows for everybody; what is in none of them is left as it is, for the parser to refuse. A long name may
 * have one dash or two, and its value behind `=` or in the next word; wasmtime's groups may stand attached
 * (-Wtimeout=2s). What a row asks for and cannot be had is refused, never taken for less: an unknown key,
 * an unknown access. What has no meaning here is said once.
 *
 * Behind FILE one `--` is dropped, as wazero and wasmer do; wasmtime hands it to the guest, and so do we
 * under that name (its old spelling --max-wasm-stack comes from when it did not). */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

typedef enum dialect_kind {
    DIALECT_AS,
    DIALECT_FLAG,
    DIALECT_MOUNT,
    DIALECT_GUEST,
    DIALECT_SECONDS,
    DIALECT_MILLIS,
    DIALECT_PAGES,
    DIALECT_ON,
    DIALECT_OFF,
    DIALECT_SWITCH,
    DIALECT_YES,
    DIALECT_NO,
    DIALECT_MODE,
    DIALECT_PROFILER,
    DIALECT_GROUP,
    DIALECT_EXPORT,
    DIALECT_HOLDS,
    DIALECT_HOLDS_VALUE,
    DIALECT_VOID,
    DIALECT_VOID_VALUE,
    DIALECT_NEVER
} dialect_kind;

typedef struct dialect_row {
    cli_dialect whose;
    const char *group; /* NULL: an option */
    const char *name;
    dialect_kind kind;
    const char *ours, *words;
} dialect_row;

static const dialect_row dialect_rows[] = {
#define CLI_PEER(whose, name, kind, ours, words)                                                   \
    {CLI_DIALECT_##whose, NULL, name, DIALECT_##kind, ours, words},
#define CLI_PEER_KEY(group, key, kind, ours, words)                                                \
    {CLI_DIALECT_ANY, group, key, DIALECT_##kind, ours, words},
#define CLI_PEER_COMMAND(whose, word, instead)
#include "cli/peers.def"
#undef CLI_PEER
#undef CLI_PEER_KEY
#undef CLI_PEER_COMMAND
};

static const struct {
    const char *whose, *word, *instead;
} dialect_commands[] = {
#define CLI_PEER(whose, name, kind, ours, words)
#define CLI_PEER_KEY(group, key, kind, ours, words)
#define CLI_PEER_COMMAND(whose, word, instead) {whose, word, instead},
#include "cli/peers.def"
#undef CLI_PEER
#undef CLI_PEER_KEY
#undef CLI_PEER_COMMAND
};

/* ORDER: cli_dialect */
static const char *const dialect_names[CLI_DIALECT_COUNT] = {"any",      "wasmtime", "wazero",
                                                             "wasmedge", "wasmer",   "iwasm"};

typedef struct dialect_state {
    const cli_words *in;
    cli_words *out;
    int at; /* the word that is looked at */
    cli_dialect dialect;
    cli_command command;
    bool takes_export; /* the word behind FILE is an export to call */
    bool strips;       /* one -- behind FILE is dropped */
} dialect_state;

cli_dialect
gbx_cli_dialect_find(const char *name)
{
    const char *const slash = strrchr(name, '/');
    cli_dialect d = 0;
    while (d < CLI_DIALECT_COUNT && strcmp(dialect_names[d], slash ? slash + 1 : name) != 0) d++;
    return d;
}

const char *
gbx_cli_dialect_near(const char *name, unsigned *best)
{
    const char *near = NULL;
    for (size_t i = 0; i < CLI_LEN(dialect_rows); i++) {
        const dialect_row *const row = &dialect_rows[i];
        if (row->whose != CLI_DIALECT_ANY || row->group || row->kind == DIALECT_NEVER ||
            strlen(row->name) < 4)
            continue;
        unsigned const d = gbx_cli_distance(name, row->name);
        if (d >= *best) continue;
        *best = d;
        near = gbx_cli_format("--%s", row->name);
    }
    return near;
}

const char *
gbx_cli_dialect_command(const char *word)
{
    for (size_t i = 0; i < CLI_LEN(dialect_commands); i++)
        if (!strcmp(dialect_commands[i].word, word))
            return gbx_cli_format("%s is a command of %s; %s", word, dialect_commands[i].whose,
                                  dialect_commands[i].instead);
    return NULL;
}

static void
dialect_add(dialect_state *s, const char *word)
{
    gbx_cli_words_add(s->out, word, s->in->origin[s->at]);
}

static bool
dialect_takes_value(dialect_kind kind)
{
    return kind != DIALECT_FLAG && kind != DIALECT_ON && kind != DIALECT_OFF &&
           kind != DIALECT_EXPORT && kind != DIALECT_HOLDS && kind != DIALECT_VOID &&
           kind != DIALECT_NEVER;
}

/* Exactly this spelling, of an option or of a key in a group. */
static const dialect_row *
dialect_row_find(cli_dialect whose, const char *group, const char *name, size_t len)
{
    for (size_t i = 0; i < CLI_LEN(dialect_rows); i++) {
        const dialect_row *const row = &dialect_rows[i];
        if (row->whose != whose || !row->group != !group ||
            (group && strcmp(group, row->group) != 0))
            continue;
        if (strlen(row->name) == len && !memcmp(row->name, name, len)) return row;
    }
    return NULL;
}

static int
dialect_refuse(const char *slug, const char *shown, const char *why, const char *fix)
{
    return gbx_cli_usage_error(slug, gbx_cli_format("%s cannot be had here", gbx_cli_show(shown)),
                               why, fix);
}

static void
dialect_tell_void(const char *shown, const char *words)
{
    gbx_cli_diag(
            &(cli_diag){.kind = "note",
                        .slug = "option-without-meaning",
                        .message = gbx_cli_format("%s has no meaning here", gbx_cli_show(shown)),
                        .why = words});
}

static bool
dialect_is_dir(const char *path)
{
    struct stat st;
    return *path && !stat(path, &st) && S_ISDIR(st.st_mode);
}

static const char *
dialect_access(const char *word)
{
    if (!strcmp(word, "ro") || !strcmp(word, "readonly")) return "ro";
    return !strcmp(word, "rw") ? "rw" : NULL;
}

/* A mount in the spelling of --dir. Parts are separated by two colons or by one; what the access cannot be
 * is left for --dir to refuse. */
static const char *
dialect_mount(const char *value, bool guest_first)
{
    const char *parts[4] = {value};
    int n = 1;
    const char *const mark = strstr(value, "::") ? "::" : ":";
    for (const char *next;
         n < 4 && !dialect_is_dir(parts[n - 1]) && (next = strstr(parts[n - 1], mark)); n++) {
        parts[n] = next + strlen(mark);
        parts[n - 1] = gbx_cli_copy(parts[n - 1], (size_t)(next - parts[n - 1]));
    }
    const char *access = n > 1 ? dialect_access(parts[n - 1]) : NULL;
    if (access)
        n--;
    else if (n == 3)
        access = parts[--n];
    if (n == 1) return gbx_cli_format("%s%s%s", parts[0], access ? "::" : "", access ? access : "");
    if (n != 2) return value;
    return gbx_cli_format("%s::%s%s%s", parts[guest_first], parts[!guest_first], access ? "::" : "",
                          access ? access : "");
}

static bool
dialect_is_number(const char *value)
{
    return *value && !value[strspn(value, "0123456789")];
}

/* 1: yes, 0: no, -1: neither. */
static int
dialect_bool(const char *value)
{
    static const char *const yes[] = {"y", "yes", "true", "on"}, *const no[] = {"n", "no", "false",
                                                                                "off"};
    for (size_t i = 0; i < CLI_LEN(yes); i++) {
        if (!strcmp(value, yes[i])) return 1;
        if (!strcmp(value, no[i])) return 0;
    }
    return -1;
}

static int dialect_group(dialect_state *s, const char *group, const char *list);

/* "jit" and "aot" are what we do; there is one interpreter. */
static const char *
dialect_mode(const char *value)
{
    if (!strcmp(value, "interpreter")) return "interp";
    return !strcmp(value, "jit") ? "auto" : !strcmp(value, "aot") ? "eager" : value;
}

/* What perf is told by is ours under another name; of the others none is what was asked for. */
static int
dialect_profiler(dialect_state *s, const dialect_row *row, const char *shown, const char *value)
{
    static const char *const perf[] = {"perfmap", "jitdump"}, *const none[] = {"guest", "vtune", "pulley",
                                                                               "hot-blocks"};
    size_t const len = strcspn(value, ",");
    for (size_t i = 0; i < CLI_LEN(none); i++)
        if (strlen(none[i]) == len && !memcmp(none[i], value, len))
            return dialect_refuse("no-such-thing", shown, row->words, NULL);
    for (size_t i = 0; i < CLI_LEN(perf); i++) {
        if (strcmp(perf[i], value) != 0) continue;
        dialect_add(s, "--jit-symbols=perf");
        return CLI_EXIT_OK;
    }
    dialect_add(s, gbx_cli_format("--profile=%s", value));
    return CLI_EXIT_OK;
}

static int
dialect_bool_row(dialect_state *s, const dialect_row *row, const char *shown, const char *value)
{
    int const yes = value ? dialect_bool(value) : 1;
    if (yes < 0)
        return gbx_cli_usage_error("bad-value",
                                   gbx_cli_format("%s is neither y nor n", gbx_cli_show(shown)),
                                   NULL, NULL);
    if (row->kind == DIALECT_SWITCH)
        dialect_add(s, gbx_cli_format("%s=%s", row->ours, yes ? "on" : "off"));
    else if (row->kind == DIALECT_FLAG)
        yes ? dialect_add(s, row->ours) : (void)0;
    else if (yes != (row->kind == DIALECT_YES))
        return dialect_refuse("no-such-thing", shown, row->words, NULL);
    return CLI_EXIT_OK;
}

/* Write what `row` stands for; `shown` is how it was given. value is NULL where none is taken. */
static int
dialect_apply(dialect_state *s, const dialect_row *row, const char *shown, const char *value)
{
    const char *const v = value ? value : "";
    switch (row->kind) {
    case DIALECT_AS: dialect_add(s, gbx_cli_format("%s=%s", row->ours, v)); break;
    case DIALECT_MOUNT:
    case DIALECT_GUEST:
        dialect_add(s, gbx_cli_format("%s=%s", row->ours,
                                      dialect_mount(v, row->kind == DIALECT_GUEST)));
        break;
    case DIALECT_SECONDS:
    case DIALECT_MILLIS:
        dialect_add(s, gbx_cli_format("%s=%s%s", row->ours, v,
                                      !dialect_is_number(v)         ? ""
                                      : row->kind == DIALECT_MILLIS ? "ms"
                                                                    : "s"));
        break;
    case DIALECT_PAGES: {
        unsigned long long const pages =
                dialect_is_number(v) && strlen(v) < 9 ? strtoull(v, NULL, 10) : 0;
        if (!pages)
            return gbx_cli_usage_error(
                    "bad-value", gbx_cli_format("%s is no number of pages", gbx_cli_show(shown)),
                    "a page is 64 KiB", NULL);
        dialect_add(s, gbx_cli_format("%s=%lluKiB", row->ours, pages * 64));
        break;
    }
    case DIALECT_ON:
    case DIALECT_OFF:
        dialect_add(s, gbx_cli_format("--wasm-feature=%s=%s", row->ours,
                                      row->kind == DIALECT_ON ? "on" : "off"));
        break;
    case DIALECT_MODE: dialect_add(s, gbx_cli_format("%s=%s", row->ours, dialect_mode(v))); break;
    case DIALECT_FLAG:
    case DIALECT_SWITCH:
    case DIALECT_YES:
    case DIALECT_NO: return dialect_bool_row(s, row, shown, value);
    case DIALECT_PROFILER: return dialect_profiler(s, row, shown, v);
    case DIALECT_GROUP: return dialect_group(s, row->ours, v);
    case DIALECT_EXPORT: s->takes_export = true; break;
    case DIALECT_HOLDS:
    case DIALECT_HOLDS_VALUE: break;
    case DIALECT_VOID:
    case DIALECT_VOID_VALUE: dialect_tell_void(shown, row->words); break;
    case DIALECT_NEVER: return dialect_refuse("no-such-thing", shown, row->words, NULL);
    }
    return CLI_EXIT_OK;
}

/* One KEY[=VALUE]; a key may be the name of a feature. */
static int
dialect_key(dialect_state *s, const char *group, const char *item)
{
    size_t const len = strcspn(item, "=");
    const char *const key = gbx_cli_copy(item, len), *const shown =
                                                             gbx_cli_format("-%s %s", group, item);
    const char *const value = item[len] ? item + len + 1 : NULL;
    const dialect_row *const row = dialect_row_find(CLI_DIALECT_ANY, group, key, len);
    if (row) {
        bool const needs = row->kind == DIALECT_AS || row->kind == DIALECT_SECONDS;
        if (needs && !value)
            return gbx_cli_usage_error("missing-value",
                                       gbx_cli_format("%s needs a value", gbx_cli_show(shown)),
                                       NULL, NULL);
        bool const never = row->kind == DIALECT_NEVER && value && !dialect_bool(value);
        return never ? CLI_EXIT_OK : dialect_apply(s, row, shown, value);
    }
    int const yes = value ? dialect_bool(value) : 1;
    if (!strcmp(group, "W") && gbx_feature_find(key) != GBX_FEATURE_COUNT && yes >= 0) {
        dialect_add(s, gbx_cli_format("--wasm-feature=%s=%s", key, yes ? "on" : "off"));
        return CLI_EXIT_OK;
    }
    const char *near = NULL;
    unsigned best = 4;
    for (size_t i = 0; i < CLI_LEN(dialect_rows); i++) {
        if (!dialect_rows[i].group || strcmp(dialect_rows[i].group, group) != 0) continue;
        unsigned const d = gbx_cli_distance(key, dialect_rows[i].name);
        if (d >= best) continue;
        best = d;
        near = dialect_rows[i].name;
    }
    return gbx_cli_usage_error(
            "unknown-option",
            gbx_cli_format("there is no %s%s", gbx_cli_show(gbx_cli_format("-%s %s", group, key)),
                           near ? gbx_cli_format("; did you mean -%s %s?", group, near) : ""),
            "-W, -S, -O, -C and -D take keys of wasmtime, as KEY=VALUE,KEY=VALUE",
            "glovebox help dialects");
}

static int
dialect_group(dialect_state *s, const char *group, const char *list)
{
    int status = CLI_EXIT_OK;
    if (!*list)
        return gbx_cli_usage_error("missing-value", gbx_cli_format("-%s needs KEY=VALUE", group),
                                   NULL, "glovebox help dialects");
    while (status == CLI_EXIT_OK && *list) {
        size_t const len = strcspn(list, ",");
        status = dialect_key(s, group, gbx_cli_copy(list, len));
        list += len;
        list += *list == ',';
    }
    return status;
}

/* The row that a word names, NULL: none. *value: what is attached to it, NULL: nothing. */
static const dialect_row *
dialect_look_up(const dialect_state *s, cli_dialect whose, const char *word, const char **value)
{
    const char *const name = word + 1 + (word[1] == '-');
    size_t const len = strcspn(name, "=");
    const dialect_row *row = dialect_row_find(whose, NULL, name, len);
    bool const is_short = row && len == 1 && word[1] == '-';
    *value = name[len] ? name + len + 1 : NULL;
    if (row && !is_short) return row;
    if (word[1] == '-' || !word[1] || !word[2]) return NULL;
    row = dialect_row_find(whose, NULL, word + 1, 1);
    *value = word + 2;
    bool const attaches = row && (row->kind == DIALECT_GROUP || s->dialect != CLI_DIALECT_ANY);
    return attaches && dialect_takes_value(row->kind) ? row : NULL;
}

/* The option at s->at. *words: how many words it took. */
static int
dialect_option(dialect_state *s, int *words)
{
    char **const argv = s->in->argv;
    const char *const word = argv[s->at];
    const char *value;
    const dialect_row *row = s->dialect ? dialect_look_up(s, s->dialect, word, &value) : NULL;
    cli_option_id const id = row ? CLI_OPT_COUNT : gbx_cli_option_find(word);
    *words = 1;
    if (id == CLI_OPT_DIALECT) {
        const char *const equals = strchr(word, '=');
        const char *const name = equals                    ? equals + 1
                                 : s->at + 1 < s->in->argc ? argv[s->at + 1]
                                                           : "";
        cli_dialect const d = gbx_cli_dialect_find(name);
        if (d < CLI_DIALECT_COUNT) s->dialect = d; /* else the parser refuses it */
    }
    if (id != CLI_OPT_COUNT) {
        bool const takes =
                gbx_cli_options[id].argument && !strchr(word, '=') && s->at + 1 < s->in->argc;
        dialect_add(s, word);
        if (takes) gbx_cli_words_add(s->out, argv[s->at + 1], s->in->origin[s->at]);
        *words = takes ? 2 : 1;
        return CLI_EXIT_OK;
    }
    if (!row) row = dialect_look_up(s, CLI_DIALECT_ANY, word, &value);
    if (!row) {
        dialect_add(s, word);
        return CLI_EXIT_OK;
    }
    if (!strcmp(row->name, "max-wasm-stack") && !row->group) s->strips = true;
    const char *shown = word;
    if (dialect_takes_value(row->kind) && !value) {
        if (s->at + 1 >= s->in->argc)
            return gbx_cli_usage_error("missing-value",
                                       gbx_cli_format("%s needs a value", gbx_cli_show(word)),
                                       gbx_cli_format("%s%s%sthe command line ends there",
                                                      *row->ours ? "another runtime's, it stands for " : "",
                                                      row->ours, *row->ours ? "; " : ""),
                                       "glovebox help dialects");
        value = argv[s->at + 1];
        shown = gbx_cli_format("%s %s", word, value);
        *words = 2;
    }
    return dialect_apply(s, row, shown, value);
}

/* FILE and what is the guest's. */
static void
dialect_rest(dialect_state *s)
{
    const cli_words *const in = s->in;
    bool const strips = s->strips || (s->dialect != CLI_DIALECT_WASMTIME &&
                                      in->origin[s->at] != CLI_FROM_WRAPPER);
    if (s->takes_export && s->at + 1 < in->argc) {
        dialect_add(s, gbx_cli_format("--invoke=%s", in->argv[s->at + 1]));
    }
    bool const dashed = in->argv[s->at][0] == '-' && in->argv[s->at][1];
    if (dashed) dialect_add(s, "--");
    dialect_add(s, in->argv[s->at]);
    s->at += s->takes_export && s->at + 1 < in->argc ? 2 : 1;
    if (strips && s->at < in->argc && !strcmp(in->argv[s->at], "--")) s->at++;
    for (; s->at < in->argc; s->at++) dialect_add(s, in->argv[s->at]);
}

int
gbx_cli_dialect_translate(const cli_words *in, int first, cli_command command, cli_words *out)
{
    dialect_state s = {.in = in, .out = out, .command = command};
    cli_dialect const called = gbx_cli_dialect_find(in->argv[0]);
    const char *const named = getenv(gbx_cli_option_variable(CLI_OPT_DIALECT));
    cli_dialect const wanted = named && *named ? gbx_cli_dialect_find(named) : CLI_DIALECT_ANY;
    s.dialect = called < CLI_DIALECT_COUNT   ? called
                : wanted < CLI_DIALECT_COUNT ? wanted
                                             : CLI_DIALECT_ANY;
    for (s.at = 0; s.at < first; s.at++) dialect_add(&s, in->argv[s.at]);
    int status = gbx_cli_environ_words(out, command);
    for (int words; status == CLI_EXIT_OK && s.at < in->argc; s.at += words) {
        const char *const word = in->argv[s.at];
        words = 1;
        bool const ends = !strcmp(word, "--");
        if (ends && ++s.at == in->argc) {
            gbx_cli_words_add(out, word, CLI_FROM_LINE);
            break;
        }
        if (ends || word[0] != '-' || !word[1]) {
            bool const is_command =
                    !ends && s.dialect && s.at > first && first == 1 && !strcmp(word, "run");
            if (is_command) continue;
            dialect_rest(&s);
            break;
        }
        status = dialect_option(&s, &words);
    }
    return status;
}
