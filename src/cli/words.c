/* The words of a command line, whoever wrote them: the user, variables GLOVEBOX_NAME, the wrapper of the Go
 * tool and GOWASIRUNTIMEARGS. Each word knows where it comes from, so that a `fix:` can name the place.
 *
 * A variable has the words of its option: the whole value, or, where an option may be repeated, values
 * split as a shell splits them. An empty variable is none. They stand before what was typed, which
 * therefore counts. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define WORDS_PREFIX "GLOVEBOX_"

void
gbx_cli_words_add(cli_words *words, const char *word, cli_origin origin)
{
    if (words->argc + 2 > words->cap) {
        int const cap = words->cap ? words->cap * 2 : 32;
        char **const argv = gbx_cli_alloc((size_t)cap, sizeof *argv);
        unsigned char *const origins = gbx_cli_alloc((size_t)cap, 1);
        if (words->argc) {
            memcpy(argv, words->argv, (size_t)words->argc * sizeof *argv);
            memcpy(origins, words->origin, (size_t)words->argc);
        }
        *words = (cli_words){argv, origins, words->argc, cap};
    }
    words->origin[words->argc] = (unsigned char)origin;
    words->argv[words->argc++] = gbx_cli_copy(word, strlen(word));
    words->argv[words->argc] = NULL;
}

static const char words_blank[] = " \t\n";

/* The word at *p, which is moved behind it. NULL: a quote is not closed. */
static const char *
words_next(const char **p)
{
    cli_text t = {0};
    char quote = 0;
    const char *at = *p;
    for (; *at && (quote || !strchr(words_blank, *at)); at++) {
        if (quote ? *at == quote : *at == '\'' || *at == '"') {
            quote = quote ? 0 : *at;
            continue;
        }
        if (*at == '\\' && quote != '\'' && at[1] && (!quote || strchr("\\\"$`", at[1]))) at++;
        gbx_cli_text_add(&t, at, 1);
    }
    *p = at;
    return quote ? NULL : gbx_cli_text_get(&t);
}

bool
gbx_cli_words_split(cli_words *words, const char *text, cli_origin origin, const char **why)
{
    *why = "a quote in it is not closed";
    for (text += strspn(text, words_blank); *text; text += strspn(text, words_blank)) {
        const char *const word = words_next(&text);
        if (!word) return false;
        gbx_cli_words_add(words, word, origin);
    }
    return true;
}

const char *
gbx_cli_option_variable(cli_option_id id)
{
    if (id == CLI_OPT_HELP || id == CLI_OPT_VERSION) return NULL;
    char *const name = gbx_cli_format(WORDS_PREFIX "%s", gbx_cli_options[id].name + 2);
    for (char *p = name; *p; p++) {
        if (*p == '-')
            *p = '_';
        else if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    }
    return name;
}

static int
words_refuse(const char *name, const char *value, const char *why)
{
    return gbx_cli_usage_error(
            "bad-value", gbx_cli_format("the variable %s cannot be %s", name, gbx_cli_quote(value)),
            why, gbx_cli_format("unset %s", name));
}

/* A flag's variable: what people write for yes and no. */
static int
words_add_flag(cli_words *words, cli_option_id id, const char *name, const char *value)
{
    static const char *const yes[] = {"1", "y", "yes", "true", "on"}, *const no[] = {"0", "n", "no",
                                                                                     "false",
                                                                                     "off"};
    for (size_t i = 0; i < CLI_LEN(yes); i++) {
        if (!strcmp(value, no[i])) return CLI_EXIT_OK;
        if (strcmp(value, yes[i]) != 0) continue;
        gbx_cli_words_add(words, gbx_cli_options[id].name, CLI_FROM_ENVIRON);
        return CLI_EXIT_OK;
    }
    return words_refuse(name, value, "it is 1 or 0");
}

static int
words_add_option(cli_words *words, cli_option_id id, const char *name, const char *value)
{
    const cli_option *const o = &gbx_cli_options[id];
    const char *why;
    if (!o->argument) return words_add_flag(words, id, name, value);
    cli_words values = {0};
    if (!(o->commands & CLI_MANY))
        gbx_cli_words_add(&values, value, CLI_FROM_ENVIRON);
    else if (!gbx_cli_words_split(&values, value, CLI_FROM_ENVIRON, &why))
        return words_refuse(name, value, why);
    for (int i = 0; i < values.argc; i++)
        gbx_cli_words_add(words, gbx_cli_format("%s=%s", o->name, values.argv[i]),
                          CLI_FROM_ENVIRON);
    return CLI_EXIT_OK;
}

/* A variable whose name is nearly that of one of ours is a slip that nobody would notice otherwise. */
static void
words_tell_near(const char *assignment, size_t len)
{
    const char *const name = gbx_cli_copy(assignment, len);
    for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++) {
        const char *const ours = gbx_cli_option_variable(id);
        if (!ours || strlen(ours) < sizeof WORDS_PREFIX + 2 || gbx_cli_distance(name, ours) != 1)
            continue;
        gbx_cli_diag(&(cli_diag){
                .kind = "note",
                .slug = "unknown-variable",
                .message = gbx_cli_format("%s is no variable of glovebox; did you mean %s?",
                                          gbx_cli_show(name), ours),
                .why = "nothing reads it",
                .fix = gbx_cli_format("export %s=\"$%s\"", ours, gbx_cli_show(name))});
        return;
    }
}

int
gbx_cli_environ_words(cli_words *words, cli_command command)
{
    extern char **environ;
    size_t const prefix = strlen(WORDS_PREFIX);
    for (char **p = environ; *p; p++) {
        const char *const equals = strchr(*p, '=');
        if (strncmp(*p, WORDS_PREFIX, prefix) != 0 || !equals || !equals[1]) continue;
        size_t const len = (size_t)(equals - *p);
        bool known = false;
        for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++) {
            const char *const name = gbx_cli_option_variable(id);
            if (!name || strlen(name) != len || strncmp(name, *p, len) != 0) continue;
            known = true;
            if (!(gbx_cli_options[id].commands & command)) continue;
            int const status = words_add_option(words, id, name, equals + 1);
            if (status != CLI_EXIT_OK) return status;
        }
        if (!known) words_tell_near(*p, len);
    }
    return CLI_EXIT_OK;
}
