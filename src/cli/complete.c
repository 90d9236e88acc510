/* `glovebox completion bash|zsh|fish`: the commands, options and topics, from their tables, as a script for a
 * shell. What a script completes beyond them is files: modules, directories. A colon in an option's value is
 * never completed: --dir has two.
 *
 * What must hold: texts of the tables go into single quotes, in which a shell looks at nothing. */
#include <string.h>

#include "cli/cli.h"

/* `text` up to its first line's end or `;`, for single quotes. */
static const char *
complete_brief(const char *text)
{
    cli_text t = {0};
    for (const char *p = text; *p && *p != '\n' && *p != ';'; p++) {
        if (*p == '\'')
            gbx_cli_text_printf(&t, "'\\''");
        else
            gbx_cli_text_add(&t, p, 1);
    }
    return gbx_cli_text_get(&t);
}

/* Words that an option takes, one of them: "on|off", "auto|interp|eager"; else NULL. */
static const char *
complete_choices(const cli_option *o)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789|-";
    const char *const a = o->argument;
    if (!a || !strchr(a, '|') || a[strspn(a, plain)]) return NULL;
    char *const words = gbx_cli_copy(a, strlen(a));
    for (char *p = words; *p; p++)
        if (*p == '|') *p = ' ';
    return words;
}

static bool
complete_is_dir(const cli_option *o)
{
    return o->argument && (!strncmp(o->argument, "HOST", 4) || !strcmp(o->argument, "DIR"));
}

static bool
complete_is_file(const cli_option *o)
{
    return o->argument && !strcmp(o->argument, "FILE");
}

/* The verbs of commands whose usage lists them: "install|uninstall|status|exec". */
static const char *
complete_verbs(const cli_command_row *c)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz|";
    size_t const len = strspn(c->usage, plain);
    if (!memchr(c->usage, '|', len) || (c->usage[len] && c->usage[len] != ' ')) return NULL;
    char *const words = gbx_cli_copy(c->usage, len);
    for (char *p = words; *p; p++)
        if (*p == '|') *p = ' ';
    return words;
}

static unsigned
complete_bit(const char *name)
{
    static const struct {
        const char *name;
        cli_command bit;
    } rows[] = {{"run", CLI_RUN},
                {"diff", CLI_DIFF},
                {"compile", CLI_COMPILE},
                {"measure", CLI_MEASURE},
                {"audit", CLI_AUDIT},
                {"policy", CLI_RECORD}};
    for (size_t i = 0; i < CLI_LEN(rows); i++)
        if (!strcmp(rows[i].name, name)) return rows[i].bit;
    return 0;
}

static const char *
complete_options(unsigned command)
{
    cli_text t = {0};
    for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++)
        if (gbx_cli_options[id].commands & command)
            gbx_cli_text_printf(&t, "%s ", gbx_cli_options[id].name);
    return gbx_cli_text_get(&t);
}

static const char *
complete_topics(void)
{
    cli_text t = {0};
    const char *title, *slug;
    for (size_t i = 0; (slug = gbx_cli_help_topic(i, &title)); i++)
        gbx_cli_text_printf(&t, "%s ", slug);
    return gbx_cli_text_get(&t);
}

static void
complete_bash(void)
{
    fputs("# bash completion for glovebox: eval \"$(glovebox completion bash)\"\n"
          "_glovebox() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=run i\n"
          "    COMPREPLY=()\n"
          "    [[ $cur == = ]] && cur= && prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    case ${COMP_WORDS[1]} in\n    ",
          stdout);
    for (size_t i = 0; i < gbx_cli_command_count(); i++)
        printf("%s%s", i ? "|" : "", gbx_cli_commands[i].name);
    fputs(") [[ $COMP_CWORD -gt 1 ]] && command=${COMP_WORDS[1]} ;;\n    esac\n    case $prev in\n",
          stdout);
    for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++) {
        const cli_option *const o = &gbx_cli_options[id];
        const char *const words = complete_choices(o);
        if (!o->argument) continue;
        printf("    %s) ", o->name);
        if (words)
            printf("COMPREPLY=($(compgen -W '%s' -- \"$cur\")) ;;\n", words);
        else if (complete_is_dir(o))
            printf("compopt -o nospace; COMPREPLY=($(compgen -d -- \"$cur\")) ;;\n");
        else if (complete_is_file(o))
            printf("compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n");
        else
            printf("return ;;\n");
    }
    fputs("    esac\n    [[ ${#COMPREPLY[@]} -gt 0 ]] && return\n    case $command in\n", stdout);
    for (size_t i = 0; i < gbx_cli_command_count(); i++) {
        const cli_command_row *const c = &gbx_cli_commands[i];
        const char *const verbs = complete_verbs(c);
        unsigned const bit = complete_bit(c->name);
        if (bit)
            printf("    %s) [[ $cur == -* ]] && COMPREPLY=($(compgen -W '%s' -- \"$cur\")) ;;\n",
                   c->name, complete_options(bit));
        if (verbs)
            printf("    %s) [[ $COMP_CWORD -eq 2 ]] && COMPREPLY=($(compgen -W '%s' -- \"$cur\")) "
                   "&& return ;;\n",
                   c->name, verbs);
        if (!strcmp(c->name, "help"))
            printf("    help) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n",
                   complete_topics());
        if (!strcmp(c->name, "doctor"))
            printf("    doctor) COMPREPLY=($(compgen -W '--fix' -- \"$cur\")); return ;;\n");
    }
    fputs("    esac\n"
          "    [[ ${#COMPREPLY[@]} -gt 0 || $cur == -* ]] && return\n"
          "    for ((i = 2; i < COMP_CWORD; i++)); do # behind FILE words are the guest's: files\n"
          "        [[ ${COMP_WORDS[i]} == *.wasm || ${COMP_WORDS[i]} == *.gbx ]] && compopt -o "
          "default && return\n"
          "    done\n"
          "    [[ $COMP_CWORD -eq 1 ]] && COMPREPLY=($(compgen -W '",
          stdout);
    for (size_t i = 0; i < gbx_cli_command_count(); i++)
        printf("%s%s", i ? " " : "", gbx_cli_commands[i].name);
    fputs("' -- \"$cur\"))\n"
          "    compopt -o filenames 2>/dev/null\n"
          "    COMPREPLY+=($(compgen -f -X '!*.@(wasm|gbx)' -- \"$cur\") $(compgen -d -- "
          "\"$cur\"))\n"
          "}\n"
          "shopt -s extglob\n"
          "complete -F _glovebox glovebox\n",
          stdout);
}

/* In zsh's specifications `:`, `[`, `]` and a backslash mean something. */
static const char *
complete_zsh_text(const char *text)
{
    cli_text t = {0};
    for (const char *p = text; *p && *p != '\n' && *p != ';'; p++) {
        if (strchr(":[]\\", *p)) gbx_cli_text_add(&t, "\\", 1);
        gbx_cli_text_add(&t, p, 1);
    }
    return complete_brief(gbx_cli_text_get(&t));
}

static void
complete_zsh_options(unsigned command)
{
    for (cli_option_id id = 0; id < CLI_OPT_COUNT; id++) {
        const cli_option *const o = &gbx_cli_options[id];
        const char *const words = complete_choices(o), *const many =
                                                               o->commands & CLI_MANY ? "*" : "";
        if (!(o->commands & command)) continue;
        printf("            '%s%s%s[%s]", many, o->name, o->argument ? "=" : "",
               complete_zsh_text(o->help));
        if (!o->argument)
            printf("'");
        else if (words)
            printf(":value:(%s)'", words);
        else if (complete_is_dir(o))
            printf(":directory:_files -/'");
        else if (complete_is_file(o))
            printf(":file:_files'");
        else
            printf(":value: '");
        printf(" \\\n");
    }
}

static void
complete_zsh(void)
{
    fputs("#compdef glovebox\n"
          "# zsh completion for glovebox: a file _glovebox in a directory of fpath, or\n"
          "# eval \"$(glovebox completion zsh)\" behind compinit\n"
          "_glovebox() {\n"
          "    local command=run\n"
          "    local -a commands\n"
          "    commands=(\n",
          stdout);
    for (size_t i = 0; i < gbx_cli_command_count(); i++)
        printf("        '%s:%s'\n", gbx_cli_commands[i].name,
               complete_zsh_text(gbx_cli_commands[i].words));
    fputs("    )\n"
          "    if (( CURRENT > 2 )) && [[ -n ${commands[(r)${words[2]}:*]} ]]; then\n"
          "        command=${words[2]}\n"
          "        shift words\n"
          "        (( CURRENT-- ))\n"
          "    elif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
          "        _describe command commands\n"
          "        _files -g '*.(wasm|gbx)(-.)'\n"
          "        return\n"
          "    fi\n"
          "    case $command in\n",
          stdout);
    for (size_t i = 0; i < gbx_cli_command_count(); i++) {
        const cli_command_row *const c = &gbx_cli_commands[i];
        const char *const verbs = complete_verbs(c);
        unsigned const bit = complete_bit(c->name);
        if (bit) {
            printf("    %s)\n        _arguments \\\n", c->name);
            complete_zsh_options(bit);
            printf("            '1:module:_files -g \"*.(wasm|gbx)(-.)\"' '*:: :_files'\n        "
                   ";;\n");
        } else if (verbs) {
            printf("    %s) (( CURRENT == 2 )) && compadd -- %s || _files ;;\n", c->name, verbs);
        } else if (!strcmp(c->name, "help")) {
            printf("    help) compadd -- %s ;;\n", complete_topics());
        } else if (!strcmp(c->name, "doctor")) {
            printf("    doctor) compadd -- --fix ;;\n");
        } else {
            printf("    %s) _files ;;\n", c->name);
        }
    }
    fputs("    esac\n"
          "}\n"
          "if [[ ${funcstack[1]} == _glovebox ]]; then _glovebox \"$@\"; else compdef _glovebox "
          "glovebox; fi\n",
          stdout);
}

static void
complete_fish_option(const char *name, const cli_option *o)
{
    const char *const words = complete_choices(o);
    const char *const when = !strcmp(name, "run")
                                     ? "__glovebox_runs"
                                     : gbx_cli_format("__fish_seen_subcommand_from %s", name);
    printf("complete -c glovebox -n '%s' -l %s -d '%s'", when, o->name + 2,
           complete_brief(o->help));
    if (words)
        printf(" -x -a '%s'", words);
    else if (complete_is_dir(o))
        printf(" -x -a '(__fish_complete_directories)'");
    else if (complete_is_file(o))
        printf(" -r -F");
    else if (o->argument)
        printf(" -x");
    printf("\n");
}

static void
complete_fish(void)
{
    fputs("# fish completion for glovebox: glovebox completion fish | source\n"
          "function __glovebox_runs\n    not __fish_seen_subcommand_from",
          stdout);
    for (size_t i = 0; i < gbx_cli_command_count(); i++)
        if (strcmp(gbx_cli_commands[i].name, "run") != 0) printf(" %s", gbx_cli_commands[i].name);
    fputs("\nend\n", stdout);
    for (size_t i = 0; i < gbx_cli_command_count(); i++) {
        const cli_command_row *const c = &gbx_cli_commands[i];
        const char *const verbs = complete_verbs(c);
        unsigned const bit = complete_bit(c->name);
        printf("complete -c glovebox -n __fish_use_subcommand -a %s -d '%s'\n", c->name,
               complete_brief(c->words));
        if (verbs)
            printf("complete -c glovebox -f -n '__fish_seen_subcommand_from %s' -a '%s'\n", c->name,
                   verbs);
        for (cli_option_id id = 0; bit && id < CLI_OPT_COUNT; id++)
            if (gbx_cli_options[id].commands & bit)
                complete_fish_option(c->name, &gbx_cli_options[id]);
    }
    fputs("complete -c glovebox -n '__fish_seen_subcommand_from doctor' -l fix -d 'mend what can "
          "be mended'\n",
          stdout);
    const char *title, *slug;
    for (size_t i = 0; (slug = gbx_cli_help_topic(i, &title)); i++)
        printf("complete -c glovebox -f -n '__fish_seen_subcommand_from help' -a %s -d '%s'\n",
               slug, complete_brief(title));
}

int
gbx_cli_completion(int argc, char **argv, int first)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", complete_bash}, {"zsh", complete_zsh}, {"fish", complete_fish}};
    const char *const shell = first < argc ? argv[first] : "";
    if (!strcmp(shell, "--help") || !strcmp(shell, "-h")) {
        char page[] = "completion", *words[] = {page};
        return gbx_cli_help(1, words, 0);
    }
    for (size_t i = 0; i < CLI_LEN(shells) && argc == first + 1; i++) {
        if (strcmp(shells[i].shell, shell) != 0) continue;
        shells[i].print();
        return CLI_EXIT_OK;
    }
    return gbx_cli_usage_error("unknown-command", "glovebox completion takes bash, zsh or fish",
                               "it prints a script for that shell", "glovebox completion bash");
}
