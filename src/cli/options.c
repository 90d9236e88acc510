/* The command line, read through options.def.
 *
 * One rule decides whose a word is: options of ours stand before FILE, everything after FILE is the
 * guest's and is not looked at. `--` ends the options early. The same words can be printed again
 * with a change, for the `fix:` line of a message, quoted and with the values of variables masked.
 * What other runtimes write and what variables say is made words of ours before (dialect.c, words.c);
 * nothing below knows what an option means. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* ORDER: cli_option_id */
const cli_option gbx_cli_options[CLI_OPT_COUNT] = {
#define RUN  CLI_RUN
#define DIFF CLI_DIFF
#define COMPILE CLI_COMPILE
#define MEASURE CLI_MEASURE
#define AUDIT CLI_AUDIT
#define RECORD CLI_RECORD
#define MANY CLI_MANY
#define CLI_OPTION(id, name, argument, commands, help) {name, argument, help, commands},
#include "cli/options.def"
#undef CLI_OPTION
#undef RUN
#undef DIFF
#undef COMPILE
#undef MEASURE
#undef AUDIT
#undef RECORD
#undef MANY
};

static bool
options_is_option(const char *word)
{
    return word[0] == '-' && word[1];
}

cli_option_id
gbx_cli_option_find(const char *word)
{
    size_t const len = strcspn(word, "=");
    if (!strcmp(word, "-h")) return CLI_OPT_HELP;
    if (!strcmp(word, "-o")) return CLI_OPT_OUT;
    if (!strcmp(word, "-n")) return CLI_OPT_ROUNDS;
    for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++) {
        const char *const name = gbx_cli_options[id].name;
        if (strlen(name) == len && !memcmp(name, word, len)) return id;
    }
    return CLI_OPT_COUNT;
}

static const char *
options_command(unsigned command)
{
    switch (command) {
    case CLI_DIFF: return "diff";
    case CLI_COMPILE: return "compile";
    case CLI_MEASURE: return "measure";
    case CLI_AUDIT: return "audit";
    case CLI_RECORD: return "policy";
    default: return "run";
    }
}

/* "run and diff" */
static const char *
options_commands(unsigned commands)
{
    cli_text t = {0};
    for (unsigned bit = CLI_RUN; bit <= CLI_RECORD; bit <<= 1)
        if (commands & bit) gbx_cli_text_printf(&t, "%s%s", t.len ? " and " : "", options_command(bit));
    return gbx_cli_text_get(&t);
}

/* An option of another command. */
static int
options_other(const cli_line *line, int at, cli_option_id id)
{
    const cli_option *const o = &gbx_cli_options[id];
    bool const has_value = o->argument && !strchr(line->argv[at], '=') && at + 1 < line->argc;
    cli_edit const edit = {.skip = at, .skip_count = has_value ? 2 : 1};
    return gbx_cli_usage_error(
            "unknown-option",
            gbx_cli_format("%s has no option %s", options_command(line->command), o->name),
            gbx_cli_format("it is an option of %s", options_commands(o->commands)),
            gbx_cli_line_command(line, &edit));
}

static int
options_unknown(const cli_line *line, int at)
{
    const char *const word = line->argv[at];
    const char *const bare = word + strspn(word, "-");
    char *const name = gbx_cli_copy(bare, strcspn(bare, "="));
    const char *const rest = bare + strlen(name); /* "=value" or "" */
    const char *near = NULL;
    cli_option_id const other = gbx_cli_option_find(word);
    if (other != CLI_OPT_COUNT) return options_other(line, at, other);
    unsigned best = strlen(name) > 3 ? 3 : strlen(name) > 1 ? 2 : 1;
    for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++) {
        unsigned const d = gbx_cli_distance(name, gbx_cli_options[id].name + 2);
        if (d >= best || !(gbx_cli_options[id].commands & line->command)) continue;
        best = d;
        near = gbx_cli_options[id].name;
    }
    const char *const peer = gbx_cli_dialect_near(name, &best);
    if (peer) near = peer;

    const char *fix = NULL;
    cli_edit edit = {.skip = at, .skip_count = 1, .mask_all = true};
    if (near) {
        edit.add = gbx_cli_quote(gbx_cli_format("%s%s", near, rest));
        fix = gbx_cli_line_command(line, &edit);
    } else if (line->file < line->argc && !access(line->argv[line->file], F_OK)) {
        edit.args = gbx_cli_quote(word);
        fix = gbx_cli_format("%s     (if it is meant for the guest)",
                             gbx_cli_line_command(line, &edit));
    }
    return gbx_cli_usage_error(
            "unknown-option",
            gbx_cli_format(
                    "there is no option %s%s",
                    gbx_cli_show(gbx_cli_format("%.*s", (int)(strlen(word) - strlen(rest)), word)),
                    near ? gbx_cli_format("; did you mean %s?", near) : ""),
            "options of glovebox stand before FILE, options of the guest after it", fix);
}

static int
options_missing_value(cli_option_id id, const char *next)
{
    const cli_option *const o = &gbx_cli_options[id];
    return gbx_cli_usage_error(
            "missing-value",
            gbx_cli_format("%s needs a value: %s %s", o->name, o->name, o->argument),
            next ? gbx_cli_format("what follows is the option %s", gbx_cli_show(next))
                 : "the command line ends there",
            gbx_cli_format("give it as `%s VALUE` or `%s=VALUE`", o->name, o->name));
}

/* Read the option at `at`; *words says how many words it took. */
static int
options_read(cli_line *line, int at, cli_option_id id, int *words)
{
    const cli_option *const o = &gbx_cli_options[id];
    const char *const equals = strchr(line->argv[at], '=');
    const char *value = equals ? equals + 1 : NULL;
    *words = 1;
    if (!o->argument && value) {
        return gbx_cli_usage_error("unexpected-value", gbx_cli_format("%s takes no value", o->name),
                                   gbx_cli_format("it was given %s", gbx_cli_quote(value)),
                                   gbx_cli_format("write %s alone", o->name));
    }
    if (o->argument && !value) {
        if (at + 1 >= line->argc) return options_missing_value(id, NULL);
        value = line->argv[at + 1];
        if (options_is_option(value) && gbx_cli_option_find(value) != CLI_OPT_COUNT)
            return options_missing_value(id, value);
        *words = 2;
    }
    line->given[line->given_count++] =
            (cli_given){.id = id, .value = value, .word = at, .words = *words};
    return CLI_EXIT_OK;
}

static int
options_second_file(const cli_line *line, int at)
{
    cli_edit const edit = {
            .skip = at, .skip_count = 1, .args = gbx_cli_option_text(CLI_OPT_OUT, line->argv[at])};
    if (line->command == CLI_COMPILE && gbx_cli_line_find(line, CLI_OPT_OUT) < 0)
        return gbx_cli_usage_error(
                "too-many-files", gbx_cli_format("%s is one word too many", gbx_cli_quote(line->argv[at])),
                "compile takes one FILE, and the file to write behind -o",
                gbx_cli_line_command(line, &edit));
    return gbx_cli_usage_error("too-many-files",
                               gbx_cli_format("%s is one word too many", gbx_cli_quote(line->argv[at])),
                               gbx_cli_format("%s takes one FILE and runs nothing",
                                              options_command(line->command)),
                               gbx_cli_line_command(line, &(cli_edit){.skip = at, .skip_count = 1}));
}

/* Whose are the words behind FILE? With policy they are ours up to a `--`, if there is one. */
static bool
options_has_guest(const cli_line *line)
{
    if (line->command != CLI_RECORD) return line->command != CLI_COMPILE && line->command != CLI_AUDIT;
    for (int i = line->first; i < line->argc; i++)
        if (!strcmp(line->argv[i], "--")) return false;
    return true;
}

/* Split `line`, whose words are as they will be looked at. */
static int
options_split(cli_line *line)
{
    char **const argv = line->argv;
    bool const has_guest = options_has_guest(line);
    int const argc = line->argc;
    int unknown = 0, args = argc;
    int i = line->first;
    line->file = argc;
    for (int words; i < argc; i += words) {
        words = 1;
        if (!options_is_option(argv[i])) {
            if (line->file < argc)
                return unknown ? options_unknown(line, unknown) : options_second_file(line, i);
            line->file = i;
            if (has_guest) break;
            continue;
        }
        if (!strcmp(argv[i], "--")) {
            args = i + (line->file == argc ? 2 : 1);
            if (line->file == argc) line->file = i + 1;
            break;
        }
        cli_option_id const id = gbx_cli_option_find(argv[i]);
        if (id == CLI_OPT_COUNT || !(gbx_cli_options[id].commands & line->command)) {
            if (!unknown) unknown = i;
            if (id != CLI_OPT_COUNT && gbx_cli_options[id].argument && !strchr(argv[i], '=')) words = 2;
            continue;
        }
        int status = options_read(line, i, id, &words);
        if (status == CLI_EXIT_OK && id == CLI_OPT_LOG)
            status = gbx_cli_log_set(line->given[line->given_count - 1].value);
        if (status != CLI_EXIT_OK) return status;
    }
    line->args = has_guest ? line->file + 1 : line->command == CLI_RECORD && args < argc ? args : argc;
    return unknown ? options_unknown(line, unknown) : CLI_EXIT_OK;
}

int
gbx_cli_line_read(cli_line *line, cli_command command, const cli_words *words, int first)
{
    cli_words out = {0};
    int status = CLI_EXIT_OK;
    if (command & (CLI_COMPILE | CLI_AUDIT | CLI_RECORD)) { /* ours may stand behind FILE */
        for (int i = 0; i < first; i++) gbx_cli_words_add(&out, words->argv[i], CLI_FROM_LINE);
        status = gbx_cli_environ_words(&out, command);
        for (int i = first; i < words->argc; i++) gbx_cli_words_add(&out, words->argv[i], CLI_FROM_LINE);
    } else {
        status = gbx_cli_dialect_translate(words, first, command, &out);
    }
    if (status != CLI_EXIT_OK) return status;
    bool const is_go = line->is_go, is_test = line->is_test;
    *line = (cli_line){.command = command, .argc = out.argc, .argv = out.argv, .first = first,
                       .origin = out.origin, .is_go = is_go, .is_test = is_test};
    line->given = gbx_cli_alloc((size_t)out.argc + 1, sizeof *line->given);
    return options_split(line);
}

int
gbx_cli_line_parse(cli_line *line, cli_command command, int argc, char **argv, int first)
{
    cli_words words = {0};
    for (int i = 0; i < argc; i++) gbx_cli_words_add(&words, argv[i], CLI_FROM_LINE);
    *line = (cli_line){0};
    return gbx_cli_line_read(line, command, &words, first);
}

int
gbx_cli_line_find(const cli_line *line, cli_option_id id)
{
    int i = line->given_count - 1;
    while (i >= 0 && line->given[i].id != id) i--;
    return i;
}

const char *
gbx_cli_line_value(const cli_line *line, cli_option_id id)
{
    int const i = gbx_cli_line_find(line, id);
    return i < 0 ? NULL : line->given[i].value;
}

const char *
gbx_cli_option_text(cli_option_id id, const char *value)
{
    return gbx_cli_format("%s %s", gbx_cli_options[id].name, gbx_cli_quote(value));
}

const char *
gbx_cli_mask_env(const char *assignment)
{
    const char *const equals = strchr(assignment, '=');
    if (!equals || !strncmp(assignment, "PWD=", 4)) return assignment;
    const char *const name = gbx_cli_copy(assignment, (size_t)(equals - assignment));
    const char *const host = getenv(name);
    return host && !strcmp(host, equals + 1) ? name : gbx_cli_format("%s=***", name);
}

static void
options_print_word(cli_text *t, const char *word, const char *before)
{
    size_t const len = strlen(gbx_cli_options[CLI_OPT_ENV].name);
    gbx_cli_text_printf(t, " ");
    if (before && !strcmp(before, gbx_cli_options[CLI_OPT_ENV].name))
        word = gbx_cli_mask_env(word);
    else if (!strncmp(word, gbx_cli_options[CLI_OPT_ENV].name, len) && word[len] == '=')
        word = gbx_cli_format("%.*s=%s", (int)len, word, gbx_cli_mask_env(word + len + 1));
    gbx_cli_text_quote(t, word);
}

/* Variables of ours that gave options, emptied: what they said is spelt out behind. */
static void
options_print_variables(cli_text *t, const cli_line *line)
{
    for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++) {
        bool is_set = false;
        for (int i = 0; i < line->given_count; i++)
            is_set = is_set || (line->given[i].id == id &&
                                line->origin[line->given[i].word] == CLI_FROM_ENVIRON);
        if (is_set) gbx_cli_text_printf(t, "%s= ", gbx_cli_option_variable(id));
    }
}

/* Whether word i is to be printed: those that come from elsewhere count without being repeated, unless
 * the change is to one of them. */
static bool
options_is_shown(const cli_line *line, const cli_edit *edit, int i)
{
    if (line->is_go) return i >= line->first && i < line->file && line->origin[i] == CLI_FROM_ARGS;
    bool touched = false;
    for (int k = edit->skip; k < edit->skip + edit->skip_count && k < line->argc; k++)
        touched = touched || (line->origin && line->origin[k] == CLI_FROM_ENVIRON);
    return !line->origin || line->origin[i] != CLI_FROM_ENVIRON || touched;
}

/* Options and what stands for FILE and behind it. */
static void
options_print_words(cli_text *t, const cli_line *line, const cli_edit *edit)
{
    bool added = !edit->add;
    for (int i = 0; i < line->argc; i++) {
        const char *const word = line->argv[i];
        bool const ends_options =
                i == line->file || (i == line->file - 1 && i >= line->first && !strcmp(word, "--"));
        bool const skipped = i >= edit->skip && i < edit->skip + edit->skip_count;
        bool const in_place = skipped && i < line->file;
        if (!added && (in_place || ends_options)) {
            gbx_cli_text_printf(t, " %s", edit->add);
            added = true;
        }
        if (skipped || !options_is_shown(line, edit, i)) continue;
        if (i < line->first) {
            if (i) gbx_cli_text_printf(t, " ");
            gbx_cli_text_quote(t, word);
        } else if (i == line->file) {
            options_print_word(t, edit->file ? edit->file : word, NULL);
        } else if (i < line->file || edit->mask_all || i < line->args) {
            options_print_word(t, word, i > line->first ? line->argv[i - 1] : NULL);
        } else {
            gbx_cli_text_printf(t, " ");
            gbx_cli_text_quote(t, word);
        }
    }
    if (!added) gbx_cli_text_printf(t, " %s", edit->add);
}

const char *
gbx_cli_line_command(const cli_line *line, const cli_edit *edit)
{
    cli_text t = {0};
    bool touched = false;
    for (int i = edit->skip; i < edit->skip + edit->skip_count && i < line->argc; i++)
        touched = touched || (line->origin && line->origin[i] == CLI_FROM_ENVIRON);
    if (touched && !line->is_go) options_print_variables(&t, line);
    options_print_words(&t, line, edit);
    if (line->is_go) {
        const char *const args = gbx_cli_text_get(&t);
        return gbx_cli_format("%s%s%s", gbx_cli_gorun_command(line, args + (*args == ' ')),
                              edit->args ? " " : "", edit->args ? edit->args : "");
    }
    if (edit->args) gbx_cli_text_printf(&t, " %s", edit->args);
    return gbx_cli_text_get(&t);
}
