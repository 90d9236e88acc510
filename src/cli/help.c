/* `glovebox help`: the pages, all made from tables. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct help_topic {
    const char *slug, *title, *text;
} help_topic;

static const help_topic help_topics[] = {
#define CLI_TOPIC(slug, title, text) {slug, title, text},
#include "cli/topics.def"
#undef CLI_TOPIC
};

typedef struct help_exit {
    int number;
    const char *text;
} help_exit;

static const help_exit help_exits[] = {
#define CLI_EXIT(name, number, text) {number, text},
#include "cli/exits.def"
#undef CLI_EXIT
};

/* Options, then their help, indented alike. */
void
gbx_cli_help_options(FILE *to, const cli_option *options, size_t count, unsigned command)
{
    for (size_t i = 0; i < count; i++) {
        const cli_option *const o = &options[i];
        if (command && !(o->commands & command)) continue;
        fprintf(to, "  %s%s%s\n", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        for (const char *p = o->help; *p;) {
            size_t const len = strcspn(p, "\n");
            fprintf(to, "        %.*s\n", (int)len, p);
            p += len;
            p += *p == '\n';
        }
    }
}

void
gbx_cli_help_run(FILE *to)
{
    fputs("usage: glovebox run [options] FILE [args...]\n"
          "       glovebox [options] FILE [args...]\n"
          "\n"
          "Run the WebAssembly module FILE, such as one made by GOOS=wasip1 GOARCH=wasm go build.\n"
          "FILE may be -, for standard input. The guest gets args, the standard streams, the clock and\n"
          "random numbers; files and variables only as granted. What stands after FILE is the guest's.\n"
          "\n"
          "options:\n",
          to);
    gbx_cli_help_options(to, gbx_cli_options, CLI_OPT_COUNT, CLI_RUN);
}

void
gbx_cli_help_diff(FILE *to)
{
    fputs("usage: glovebox diff [options] FILE [args...]\n"
          "\n"
          "Run FILE three times: interpreted, compiled, and changing over in the middle. Compare all\n"
          "host calls, the output, how it ended, memories and globals, and show where the runs first\n"
          "differ: exit code 0 if nowhere, 1 if somewhere. All runs see the same clock, random numbers\n"
          "and standard input; what they write is compared and not shown.\n"
          "\n"
          "options:\n",
          to);
    gbx_cli_help_options(to, gbx_cli_options, CLI_OPT_COUNT, CLI_DIFF);
}

void
gbx_cli_help_all(FILE *to)
{
    fputs("usage: glovebox [options] FILE [args...]\n", to);
    for (size_t i = 0; i < gbx_cli_command_count(); i++) {
        const cli_command_row *const c = &gbx_cli_commands[i];
        fprintf(to, "       glovebox %-11s%-30s %s\n", c->name, c->usage, c->words);
    }
    fputs("\n"
          "glovebox runs Go programs built for WASI: nothing of this machine is theirs until "
          "granted.\n"
          "\n"
          "  GOOS=wasip1 GOARCH=wasm go build -o main.wasm .\n"
          "  glovebox main.wasm\n"
          "  glovebox --dir ./data main.wasm data/in.json\n"
          "  glovebox --env LANG --timeout 10s main.wasm < input > output\n"
          "  glovebox go install && GOOS=wasip1 GOARCH=wasm go test ./...\n"
          "\n"
          "help: glovebox help run (all options), grants, go, go-install, dialects,\n"
          "variables, exit-codes, topics\n",
          to);
}

static void
help_exit_codes(void)
{
    fputs("exit codes\n\n  0-255  the guest's own, unchanged: os.Exit(n), 2 after a Go panic\n",
          stdout);
    for (size_t i = 0; i < CLI_LEN(help_exits); i++)
        printf("  %3d    %s\n", help_exits[i].number, help_exits[i].text);
    fputs("\nA guest may end with any of these numbers itself. What glovebox has to say about one "
          "of its\n"
          "own stands on standard error, after error[...].\n",
          stdout);
}

/* GLOVEBOX_NAME of each option. */
static void
help_variables(void)
{
    for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++)
        if (gbx_cli_option_variable(id))
            printf("  %-28s %s %s\n", gbx_cli_option_variable(id), gbx_cli_options[id].name,
                   gbx_cli_options[id].argument ? gbx_cli_options[id].argument : "");
}

static void
help_run(void)
{
    gbx_cli_help_run(stdout);
}

static void
help_diff(void)
{
    gbx_cli_help_diff(stdout);
}

static void
help_explore(void)
{
    gbx_cli_help_explore(stdout);
}

static void
help_compile(void)
{
    gbx_cli_help_compile(stdout);
}

static void
help_audit(void)
{
    gbx_cli_help_audit(stdout);
}

static void
help_policy(void)
{
    gbx_cli_help_policy(stdout);
}

static void
help_measure(void)
{
    gbx_cli_help_measure(stdout);
}

static void help_list(void);

/* Pages that are made of more than a text. */
static const struct {
    const char *slug, *title;
    void (*print)(void);
} help_pages[] = {
        {"run", "all options", help_run},
        {"diff", "one run interpreted and compiled, compared: the command and its options", help_diff},
        {"explore", "what became of a function: the command and its options", help_explore},
        {"compile", "a file that starts at once: the command and its options", help_compile},
        {"measure", "what a module costs: the command and its options", help_measure},
        {"audit", "what a module is and may do: the command and its options", help_audit},
        {"policy", "what a module asks for, to review: the command and its options", help_policy},
        {"exit-codes", "what the exit codes mean", help_exit_codes},
        {"topics", "this list", help_list},
};

static void
help_list(void)
{
    const char *title;
    fputs("topics of glovebox help\n\n", stdout);
    for (size_t i = 0; gbx_cli_help_topic(i, &title); i++)
        printf("  %-24s %s\n", gbx_cli_help_topic(i, &title), title);
}

static void
help_table_row(const char *text, const char *remedy)
{
    printf("  %s%s%s\n\n", text, *remedy ? "; remedy: " : "", remedy);
}

/* The row of gbx/errors.def or gbx/traps.def with that slug, if one has it. */
static void
help_print_rows(const char *slug)
{
    for (int i = 0; i < GBX_CODE_COUNT; i++)
        if (!strcmp(gbx_code_slug((gbx_code)i), slug))
            help_table_row(gbx_code_text((gbx_code)i), gbx_code_remedy((gbx_code)i));
    for (int i = 0; i < GBX_TRAP_CODE_COUNT; i++)
        if (!strcmp(gbx_trap_slug((gbx_trap_code)i), slug))
            help_table_row(gbx_trap_text((gbx_trap_code)i), gbx_trap_remedy((gbx_trap_code)i));
}

/* The rows of gbx/features.def. */
static void
help_features(void)
{
    for (int i = 0; i < GBX_FEATURE_COUNT; i++) {
        gbx_feature const f = (gbx_feature)i;
        printf("  %-24s %s%s\n", gbx_feature_name(f), gbx_feature_meaning(f),
               gbx_feature_supported(f) ? "" : " (not supported)");
    }
}

static int
help_unknown(const char *topic)
{
    const char *near = NULL, *title;
    unsigned best = 4;
    for (size_t i = 0; gbx_cli_help_topic(i, &title); i++) {
        const char *const slug = gbx_cli_help_topic(i, &title);
        unsigned const d = gbx_cli_distance(topic, slug);
        if (d >= best) continue;
        best = d;
        near = slug;
    }
    return gbx_cli_usage_error("unknown-topic",
                               gbx_cli_format("there is no help on %s", gbx_cli_quote(topic)), NULL,
                               gbx_cli_format("glovebox help %s", near ? near : "topics"));
}

int
gbx_cli_help(int argc, char **argv, int first)
{
    const char *topic = first < argc ? argv[first] : "";
    if (!*topic || !strcmp(topic, "help") || !strcmp(topic, "--help")) {
        gbx_cli_help_all(stdout);
        return CLI_EXIT_OK;
    }
    for (size_t i = 0; i < CLI_LEN(help_pages); i++) {
        if (strcmp(help_pages[i].slug, topic) != 0) continue;
        help_pages[i].print();
        return CLI_EXIT_OK;
    }
    const help_topic *found = NULL;
    for (size_t i = 0; !found && i < CLI_LEN(help_topics); i++)
        if (!strcmp(help_topics[i].slug, topic)) found = &help_topics[i];
    if (!found) return help_unknown(topic);
    printf("%s: %s\n\n", found->slug, found->title);
    help_print_rows(topic);
    fputs(found->text, stdout);
    if (!strcmp(topic, "features")) help_features();
    if (!strcmp(topic, "variables")) help_variables();
    return CLI_EXIT_OK;
}

const char *
gbx_cli_help_topic(size_t i, const char **title)
{
    if (i < CLI_LEN(help_pages)) {
        *title = help_pages[i].title;
        return help_pages[i].slug;
    }
    i -= CLI_LEN(help_pages);
    if (i >= CLI_LEN(help_topics)) return NULL;
    *title = help_topics[i].title;
    return help_topics[i].slug;
}

int
gbx_cli_version_command(int argc, char **argv, int first)
{
    (void)argc, (void)argv, (void)first;
    return gbx_cli_version();
}

int
gbx_cli_version(void)
{
    printf("glovebox %s\n", gbx_version());
    return CLI_EXIT_OK;
}
