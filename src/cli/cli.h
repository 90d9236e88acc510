/* What the files of the command share.
 *
 * The command is the first embedder: it includes the public headers <gbx/...> and libc, nothing else
 * of this repository, so whatever it can do every embedder can. Its memory is a few kilobytes that
 * live until the process ends (gbx_cli_alloc), which is why nothing here is ever freed. Whatever
 * goes wrong is said through gbx_cli_diag, in one form, on standard error; standard output belongs
 * to the guest, to --invoke's results and to help that was asked for. */
#ifndef GBX_CLI_CLI_H
#define GBX_CLI_CLI_H

#include <gbx/gbx.h>
#include <gbx/unstable/audit.h>
#include <stdio.h>

#define CLI_PRINTF(fmt_at, arg_at) __attribute__((format(printf, fmt_at, arg_at)))
#define CLI_LEN(array)             (sizeof(array) / sizeof((array)[0]))

/* The exit codes the command gives by itself; a guest's own code passes through unchanged. */
typedef enum cli_exit {
    CLI_EXIT_OK = 0,
#define CLI_EXIT(name, number, text) CLI_EXIT_##name = (number),
#include "cli/exits.def"
#undef CLI_EXIT
} cli_exit;

/* ---- heap.c ---- */

/* Where malloc takes memory from. Before the first allocation. */
void gbx_cli_heap(void);
size_t gbx_cli_heap_bytes(void); /* blocks of less come out of huge pages; 0: none do */

/* ---- text.c: memory, strings, quoting ---- */

/* Zeroed memory that lives until the process ends; never NULL (exits 125 when there is none). */
void *gbx_cli_alloc(size_t count, size_t bytes);
char *gbx_cli_copy(const char *p, size_t len);
bool gbx_cli_is_wasm_name(const char *name); /* ends in ".wasm", behind something */

/* A growing string. Zeroed: empty. */
typedef struct cli_text {
    char *data; /* NUL-terminated once anything was added */
    size_t len, cap;
} cli_text;

void gbx_cli_text_add(cli_text *t, const char *p, size_t len);
void gbx_cli_text_printf(cli_text *t, const char *fmt, ...) CLI_PRINTF(2, 3);
/* A formatted string that lives until the process ends. */
char *gbx_cli_format(const char *fmt, ...) CLI_PRINTF(1, 2);
/* A file's name with `ending` in place of ".wasm", or behind it all where it ends in something else. */
const char *gbx_cli_file_beside(const char *file, const char *ending);
/* Whether both names lead to one file or directory; NULL and "" lead to none. */
bool gbx_cli_is_same_file(const char *a, const char *b);
/* The string so far; "" when nothing was added. */
const char *gbx_cli_text_get(const cli_text *t);

/* As a string of JSON, whatever bytes it has. */
void gbx_cli_text_json(cli_text *t, const char *text);
void gbx_cli_json_string(FILE *to, const char *text);

/* `word` as one word of a POSIX shell; control characters in bash's $'..' form, so that a printed
 * command cannot act on the terminal. */
void gbx_cli_text_quote(cli_text *t, const char *word);
const char *gbx_cli_quote(const char *word);
/* `word` to be shown in a sentence: control characters become \xNN. */
const char *gbx_cli_show(const char *word);

/* How many single-character edits (a swap of neighbours is one) lie between two words, at most
 * CLI_FAR; letter case counts as no difference. */
#define CLI_FAR 100
unsigned gbx_cli_distance(const char *a, const char *b);

/* ---- diag.c: what is said when something goes wrong ---- */

typedef struct cli_diag {
    const char *kind;    /* "error" or "note" */
    const char *slug;    /* of topics.def, gbx/errors.def or gbx/traps.def */
    const char *message; /* one line */
    const char *at;      /* where; NULL: not shown. Newlines start an indented line, as below */
    const char *why;     /* NULL: not shown */
    const char *fix;     /* NULL: not shown */
} cli_diag;

void gbx_cli_diag(const cli_diag *diag);
/* What is said from now on is about this place, where it names none itself; NULL: about none. */
void gbx_cli_diag_place(const char *at);
/* How all are written from now on, "text" or "json"; else says so and gives CLI_EXIT_SETUP. */
int gbx_cli_log_set(const char *how);
/* The same for an error of use or set-up; returns CLI_EXIT_SETUP for the caller to return. */
int gbx_cli_usage_error(const char *slug, const char *message, const char *why, const char *fix);
/* Bold and colour on standard error: a terminal, NO_COLOR unset or empty, TERM not "dumb". */
bool gbx_cli_colour(void);

/* ---- words.c: where the words of a command line come from ---- */

typedef enum cli_origin {
    CLI_FROM_LINE,    /* typed, or translated from what was typed */
    CLI_FROM_ENVIRON, /* a variable GLOVEBOX_NAME */
    CLI_FROM_WRAPPER, /* what the wrapper of the Go tool grants */
    CLI_FROM_ARGS     /* GOWASIRUNTIMEARGS */
} cli_origin;

/* A growing command line, ended by NULL. Zeroed: empty. */
typedef struct cli_words {
    char **argv;
    unsigned char *origin; /* a cli_origin each */
    int argc, cap;
} cli_words;

void gbx_cli_words_add(cli_words *words, const char *word, cli_origin origin);
/* Add the words of `text`, split as a shell would split them: blanks, '...', "...", \x. False with *why
 * where a quote is not closed. */
bool gbx_cli_words_split(cli_words *words, const char *text, cli_origin origin, const char **why);

/* ---- options.c: the command line, read through options.def ---- */

/* Commands that share a table of options. */
typedef enum cli_command {
    CLI_RUN = 1,
    CLI_DIFF = 2,
    CLI_COMPILE = 4,
    CLI_MEASURE = 8,
    CLI_AUDIT = 16,
    CLI_RECORD = 32 /* `policy` */
} cli_command;
#define CLI_MANY 0x8000u /* among the commands of an option: it may be repeated */

typedef enum cli_option_id {
#define CLI_OPTION(id, name, argument, commands, help) CLI_OPT_##id,
#include "cli/options.def"
#undef CLI_OPTION
    CLI_OPT_COUNT
} cli_option_id;

typedef struct cli_option {
    const char *name;     /* "--dir" */
    const char *argument; /* "HOST[::GUEST][::ro|rw]"; NULL: a flag */
    const char *help;     /* newlines separate the lines of the help page */
    unsigned commands;    /* cli_command bits; 0: the table belongs to one */
} cli_option;

extern const cli_option gbx_cli_options[CLI_OPT_COUNT];

/* One option as it was given. */
typedef struct cli_given {
    cli_option_id id;
    const char *value; /* NULL for a flag */
    int word;          /* where it stands in argv */
    int words;         /* 1 for --name=value and flags, 2 for --name value; 0: of a policy */
    const char *at;    /* of a policy: its line, "app.policy:7"; else NULL */
} cli_given;

/* A command line split at FILE: what stands before is ours, what stands after is the guest's. */
typedef struct cli_line {
    cli_command command;
    int argc;
    char **argv;
    int first;        /* first word after the program's name and the command, if one was given */
    cli_given *given; /* in the order given */
    int given_count;
    int file; /* index of FILE in argv; argc when there is none */
    int args; /* first word of the guest, behind FILE */
    struct cli_grant *hosts; /* host functions that the policy declares */
    int host_count;
    const unsigned char *origin; /* of each word, a cli_origin; NULL: all from the line */
    bool is_go; /* started by the Go tool: a fix is to go into GOWASIRUNTIMEARGS */
    bool is_test; /* that, and FILE is what `go test` has built */
} cli_line;

/* Split; on an error says what is wrong and gives CLI_EXIT_SETUP. */
int gbx_cli_line_parse(cli_line *line, cli_command command, int argc, char **argv, int first);
/* Add what the policy grants that --policy names, before all else: where both speak, the command line counts.
 * On a mistake says which and gives CLI_EXIT_SETUP. */
int gbx_cli_policy_apply(cli_line *line);
/* The same of words that come from several places. */
int gbx_cli_line_read(cli_line *line, cli_command command, const cli_words *words, int first);
/* The name of an option's variable, GLOVEBOX_MAX_MEMORY of --max-memory; NULL: it has none. */
const char *gbx_cli_option_variable(cli_option_id id);
/* The options that the variables GLOVEBOX_NAME give to `command`, as words. On a mistake says which and
 * gives CLI_EXIT_SETUP. */
int gbx_cli_environ_words(cli_words *words, cli_command command);

/* ---- dialect.c: the options of other runtimes, in ours ---- */

typedef enum cli_dialect {
    CLI_DIALECT_ANY, /* ours, and what can mean one thing only */
    CLI_DIALECT_WASMTIME,
    CLI_DIALECT_WAZERO,
    CLI_DIALECT_WASMEDGE,
    CLI_DIALECT_WASMER,
    CLI_DIALECT_IWASM,
    CLI_DIALECT_COUNT
} cli_dialect;

/* By its name, or the base name of a path; CLI_DIALECT_COUNT: there is none. */
cli_dialect gbx_cli_dialect_find(const char *name);
/* Write `in` with our options only: on to FILE, and that. On a mistake says which and gives
 * CLI_EXIT_SETUP. */
int gbx_cli_dialect_translate(const cli_words *in, int first, cli_command command, cli_words *out);
/* The nearest option of another runtime that is accepted here, as it is written; NULL: none is near. */
const char *gbx_cli_dialect_near(const char *name, unsigned *best);
/* What there is instead of a command of another runtime; NULL: `word` is none. */
const char *gbx_cli_dialect_command(const char *word);
/* Index into given[] of the last `id`, -1 when it was not given; and its value, NULL likewise. */
int gbx_cli_line_find(const cli_line *line, cli_option_id id);
const char *gbx_cli_line_value(const cli_line *line, cli_option_id id);
/* "NAME=secret" -> "NAME=***", or "NAME" where the host's variable has that value already. */
const char *gbx_cli_mask_env(const char *assignment);
/* "--name value" quoted, for cli_edit.add. */
const char *gbx_cli_option_text(cli_option_id id, const char *value);
/* The option that a word names, up to a `=`; CLI_OPT_COUNT when it names none. */
cli_option_id gbx_cli_option_find(const char *word);

/* A change to a command line for a `fix:`. Zeroed: no change. */
typedef struct cli_edit {
    int skip, skip_count; /* words of argv to leave out: [skip, skip + skip_count) */
    const char *add;      /* options to put in their place, or before FILE, quoted; NULL: none */
    const char *file;     /* FILE to name instead; NULL: the one given */
    const char *args;     /* words to add at the end, quoted; NULL: none */
    bool mask_all;        /* FILE's place is uncertain: mask --env behind it too */
} cli_edit;

/* The user's whole command with `edit` applied, quoted for a shell, values of --env masked (PWD's
 * excepted; a value equal to the host's variable is replaced by the short form --env NAME). */
const char *gbx_cli_line_command(const cli_line *line, const cli_edit *edit);

/* ---- values.c: durations, sizes, numbers ---- */

/* Go's time.ParseDuration without a sign: "1m30s", "500ms", "1.5h", "0". False: *why says what is
 * wrong. */
bool gbx_cli_parse_duration(const char *text, uint64_t *ns, const char **why);
/* "65536", "64KiB", "1.5GiB", "512M" (binary, as docker), "100MB" (decimal). */
bool gbx_cli_parse_size(const char *text, uint64_t *bytes, const char **why);
bool gbx_cli_parse_value(const char *text, gbx_valtype type, gbx_val *out);
const char *gbx_cli_type_name(gbx_valtype type);
const char *gbx_cli_format_value(const gbx_val *value);
const char *gbx_cli_format_duration(uint64_t ns); /* "90s", "500ms" */

/* ---- dirs.c: the directories that are granted ---- */

typedef struct cli_dir {
    const char *host;
    const char *guest; /* absolute and clean */
    bool read_only;
    bool relative; /* HOST was relative and no GUEST was given: the guest's PWD becomes "/" */
    int given;     /* index into cli_line.given */
} cli_dir;

/* Read one value of --dir and look at the host directory. On a mistake says which and gives
 * CLI_EXIT_SETUP. */
int gbx_cli_dir_parse(const cli_line *line, int given, cli_dir *out);
/* `path` made absolute and clean ("." is "/", "a/../b/" is "/b"); NULL when it climbs above "/". */
const char *gbx_cli_guest_path(const char *path);

/* ---- serve.c: the sockets that are granted, and the end of a guest that has some ---- */

typedef struct cli_listener {
    int given;        /* index into cli_line.given; of an address alone */
    int fd;           /* handed over by systemd; -1: an address */
    const char *name; /* in LISTEN_FDNAMES; NULL: it has none */
    char bound[GBX_ADDRESS_BYTES]; /* where an address listens, once it does */
} cli_listener;

typedef struct cli_plan cli_plan;
typedef struct cli_guest cli_guest;

/* Read one value of --listen, and see what systemd handed over. On a mistake says which and gives
 * CLI_EXIT_SETUP. */
int gbx_cli_listen_plan(cli_plan *plan, int given);
size_t gbx_cli_listen_most(const cli_line *line); /* sockets that it can come to */
/* Grant them all; likewise. */
int gbx_cli_listen_open(const cli_plan *plan, gbx_wasi *wasi);
gbx_code gbx_cli_listen_env(const cli_plan *plan, gbx_wasi *wasi, gbx_err *err);
/* A guest that failed and never asked for a client: say how it would. */
void gbx_cli_listen_hint(const cli_plan *plan, const gbx_store *store, int status);
void gbx_cli_listen_tell(const cli_plan *plan); /* ports that were left open, on standard error */
/* From here on the first signal that ends the command ends listening; and no longer. The latter gives the
 * signal that the process is to die of, since one came and the guest has not ended well: else 0. */
void gbx_cli_listen_begin(const cli_plan *plan, gbx_store *store);
int gbx_cli_listen_end(int status);

/* ---- main.c: signals ---- */

/* SIGPIPE would have ended this process, but for us. */
bool gbx_cli_pipe_ends(void);
/* Die of a signal, so that whoever started us learns it. Async-signal-safe. */
_Noreturn void gbx_cli_die_of(int number);

/* ---- stacks.c: a guest that is interrupted says what it was doing */

/* From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT stop the guest of `store`; a second one ends the
 * process. */
void gbx_cli_stacks_begin(const cli_plan *plan, gbx_store *store);
void gbx_cli_stacks_on_signal(int number); /* as if that came; async-signal-safe */
/* No longer; the signal that stopped it, 0: none did. */
int gbx_cli_stacks_end(void);
/* What the signal is called by people: "Ctrl-C (SIGINT)". */
const char *gbx_cli_stacks_signal(void); /* NULL: none came */
int gbx_cli_stacks_status(void);         /* the exit code for it */
/* What a guest that was stopped was about. */
typedef struct cli_stop {
    const char *waited; /* for what, as a sentence; NULL: it is not to be said of this trap */
    const char *slug;   /* gbx_waited.slug, "signals" (and it waits for nothing else), or "" */
    bool in_scheduler;  /* Go's scheduler waited, or asked, and no goroutine of the program's ran */
} cli_stop;
/* After gbx_cli_stacks_take. */
cli_stop gbx_cli_stacks_waited(const gbx_store *store, const gbx_trap *trap);

/* ---- plan.c: a command line turned into what will be granted ---- */

#define CLI_ROUNDS_MAX 10000

#define CLI_SCRATCH_BYTES ((uint64_t)64 << 20) /* of one whose size was not given */
typedef struct cli_scratch {
    const char *guest; /* absolute and clean */
    uint64_t bytes;
    int given; /* index into cli_line.given */
} cli_scratch;

typedef struct cli_env {
    const char *name, *value;
} cli_env;

/* An import that is made up, `name` as MODULE.NAME or "*". */
typedef struct cli_stub {
    const char *name, *signature; /* the latter of recorded ones */
    bool is_trap;                 /* what calls it is ended; else it gives zeros */
    bool called;
} cli_stub;

struct cli_plan {
    const cli_line *line;
    const char *program; /* FILE */
    const char *argv0;
    const char *invoke; /* NULL: run _start */
    cli_dir *dirs;
    int dir_count;
    bool special_files; /* devices and interfaces of the kernel are like other files */
    cli_listener *listeners;
    int listener_count;
    cli_env *env;
    int env_count;
    const char *pwd;         /* what the guest's PWD will be; NULL: unset */
    const char **env_absent; /* --env NAME with no NAME on the host */
    int env_absent_count;
    uint64_t timeout_ns;   /* GBX_UNLIMITED: none */
    uint64_t output_bytes, disk_bytes; /* GBX_UNLIMITED: none */
    bool is_metered;
    uint64_t fuel; /* 0: not metered; GBX_UNLIMITED: no bound */
    cli_scratch *scratches;
    int scratch_count;
    cli_stub *stubs;
    int stub_count;
    uint64_t memory_bytes; /* GBX_UNLIMITED: up to the module's own maximum, at most 4 GiB */
    uint64_t features_off; /* GBX_FEATURE_BITs */
    bool hints;
    bool raw_tty;
    gbx_tier_mode tier;
    uint32_t symbols; /* GBX_SYMBOLS_ bits */
    const char *cache_dir; /* NULL: none */
    bool explain;
    bool allow_compiled;
    const char *out;  /* of compile; NULL: none was given */
    uint32_t rounds;  /* of measure */
    bool json;
    uint64_t seed;    /* of diff: randomness; of run: all of the guest's world, where is_seeded */
    bool is_seeded;
    bool takes_ro, takes_rw; /* of diff: every grant is read-only; grants may be for writing */
    bool every_call;
    const char *report; /* NULL: none is written */
    /* Of a recording run: called when the guest has ended, gives the exit code; and the stubs that were
     * made. */
    int (*record)(const cli_plan *plan, const cli_guest *guest, const char *ended, int status);
    cli_stub **recorded;
    int *recorded_count;
    const char *profile; /* --profile; NULL: none */
};

/* Read `NAME=on` or `NAME=off`. False with *why where it is neither. */
bool gbx_cli_feature_parse(const char *text, gbx_feature *feature, bool *is_on, const char **why);

/* Interpret all options. On a mistake says which and gives CLI_EXIT_SETUP. */
int gbx_cli_plan_make(cli_plan *plan, const cli_line *line);
/* The line and its plan, of a command that takes FILE. CLI_EXIT_OK; or CLI_ANSWERED: what was asked for,
 * help or the version, is printed; or the exit code of a mistake, which was reported. */
#define CLI_ANSWERED (-1)
int gbx_cli_begin(cli_plan *plan, cli_line *line, cli_command command, int argc, char **argv, int first);
int gbx_cli_begin_line(cli_plan *plan, cli_line *line); /* the same of a line that is parsed */

/* ---- the rest ---- */

/* invoke.c: everything behind --invoke, whose results are added to `lines`; and the answer to a module
 * without _start. */
int gbx_cli_invoke(const cli_plan *plan, gbx_instance *instance, const gbx_module *module,
                   gbx_trap *trap, cli_text *lines);
int gbx_cli_no_start(const cli_plan *plan, const gbx_module *module);

/* stub.c: one value of --stub; the stubs of a plan in a linker; those that a recording run makes of all
 * that is missing; the answer to a module whose imports are not there. All give an exit code. */
int gbx_cli_stub_parse(cli_plan *plan, const char *value);
int gbx_cli_stubs_define(const cli_plan *plan, const gbx_module *module, gbx_linker *linker);
int gbx_cli_stubs_record(const gbx_module *module, gbx_linker *linker, cli_stub **out, int *count);
int gbx_cli_missing(const cli_plan *plan, const gbx_module *module, gbx_linker *linker);
/* `name` is this import, written MODULE.NAME or MODULE::NAME. */
bool gbx_cli_stub_is(const char *name, const char *module, const char *import);

/* warn.c: grants that are broader than they look, said once, at the end of the run. */
void gbx_cli_warn_begin(const cli_plan *plan, gbx_wasi *wasi);
void gbx_cli_warn(const cli_plan *plan, const gbx_store *store, int status);
/* The directory of this machine that was most likely meant by a guest's path (without the slash at its
 * beginning), and its name in the guest. `creates`: what is not there is to be made. False: nothing is
 * found. hints.c. */
typedef struct cli_guess {
    const char *host, *guest;
    bool is_temp; /* none of this machine: any place for temporary files, named CLI_TEMP in the guest */
} cli_guess;
#define CLI_TEMP "/tmp"
bool gbx_cli_guess(const cli_plan *plan, const char *path, bool creates, cli_guess *out);
/* needs.c: the guest's path lies in the guest's directory `dir`, or is it, both clean; the host's
 * path of a guest's path in the grant of `host` as `guest`. */
bool gbx_cli_beneath(const char *path, const char *dir);
const char *gbx_cli_host_path(const char *host, const char *guest, const char *path);
/* A file that Go's library looks for by itself. */
bool gbx_cli_is_probe(const char *path);

/* audit.c and policy.c: the commands, likewise, and their pages. */
int gbx_cli_audit(int argc, char **argv, int first);
void gbx_cli_help_audit(FILE *to);
int gbx_cli_policy(int argc, char **argv, int first);
void gbx_cli_help_policy(FILE *to);

/* report.c: failures of the library and traps, said in words; both give the exit code. */
int gbx_cli_report_error(const cli_plan *plan, const gbx_module *module, gbx_code code,
                         const gbx_err *err);
/* If the imports tell that the module was built for something else, say so; false when they do not. */
bool gbx_cli_report_foreign(const cli_plan *plan, const gbx_module *module);
int gbx_cli_report_trap(const cli_plan *plan, const gbx_store *store, const gbx_trap *trap);
/* Name the limits that the guest, which ended with `status`, has met. store may be NULL. */
void gbx_cli_report_met(const cli_plan *plan, const gbx_store *store, int status);

/* clock.c: where the time of a run went. */

/* They follow each other. */
typedef enum cli_phase {
    CLI_PHASE_ENGINE,
    CLI_PHASE_OPEN,
    CLI_PHASE_GRANT,
    CLI_PHASE_INSTANTIATE,
    CLI_PHASE_RUN,
    CLI_PHASE_COUNT
} cli_phase;

typedef struct cli_clock {
    bool is_on;
    uint64_t begun_ns, last_ns, spent_ns[CLI_PHASE_COUNT];
} cli_clock;

uint64_t gbx_cli_now_ns(void);
void gbx_cli_clock_begin(cli_clock *clock);
/* The time since the last lap was spent on `phase`. NULL, and a clock that was not begun, are fine. */
void gbx_cli_clock_lap(cli_clock *clock, cli_phase phase);
/* The number behind `key` in a file of /proc such as "VmHWM:", in bytes; 0: there is none. */
uint64_t gbx_cli_proc_bytes(const char *path, const char *key);
uint64_t gbx_cli_peak_bytes(void); /* the most memory that this process had at once */
/* As one line on standard error; as a member of a JSON object, behind others. */
void gbx_cli_clock_explain(const cli_clock *clock, const gbx_module *module, const gbx_store *store);
void gbx_cli_clock_print(FILE *to, const cli_clock *clock, const gbx_module *module);

/* account.c: --report. Opened before the guest runs, which might be granted what stands at the name later;
 * NULL where none was asked for or none can be written, and then *status is CLI_EXIT_SETUP. */
FILE *gbx_cli_account_open(const cli_plan *plan, int *status);

/* What a guest needs, and all that is to be released. Zeroed: nothing. */
struct cli_guest {
    gbx_engine *engine;
    gbx_module *module;
    gbx_store *store;
    gbx_linker *linker;
    gbx_wasi *wasi;
    gbx_instance *instance;
};

/* hints.c: notes on what was refused and what cannot work, after the guest ended with `status`. */
void gbx_cli_hints(const cli_plan *plan, const cli_guest *guest, int status);
/* explained.c: what --explain says of a run that is over. */
void gbx_cli_explain(const cli_plan *plan, const cli_guest *guest);

/* ---- profile.c: --profile */

/* Open its file; CLI_EXIT_OK, or CLI_EXIT_SETUP and why is said. Nothing where none was asked for. */
int gbx_cli_profile_open(const cli_plan *plan);
/* From now on, and until then, when it is written. */
void gbx_cli_profile_begin(const cli_plan *plan, cli_guest *guest);
void gbx_cli_profile_end(const cli_plan *plan);

/* Read the goroutines of a Go program that ended so; print them. */
void gbx_cli_stacks_take(const cli_guest *guest, const gbx_trap *trap);
void gbx_cli_stacks_print(void);
/* What was read, as a member of a JSON object, behind others; nothing where nothing was. */
void gbx_cli_stacks_account(FILE *to);
void gbx_cli_stacks_release(void);

/* Of all the memories of an instance. */
uint64_t gbx_cli_memory_hash(const gbx_instance *instance);
/* Write it all and close: `ended` is "exit" or the slug of what ended the run, `guest` what there is of
 * it. The exit code is `status`, or CLI_EXIT_SETUP where it cannot be written. NULL for `to` is fine. */
int gbx_cli_account_close(FILE *to, const cli_plan *plan, const cli_guest *guest, const cli_clock *clock,
                          const char *ended, int status);

/* run.c: the command `run`. `first` is the index of its first word. */
int gbx_cli_run(int argc, char **argv, int first);
/* From its plan on. *number is the signal that the process is to die of, 0: none. */
int gbx_cli_run_plan(const cli_plan *plan, int *number);
/* A line that is parsed already; likewise. */
int gbx_cli_run_line(cli_line *line, int *number);

void gbx_cli_guest_release(cli_guest *guest);
/* Of all commands that run FILE: arguments, variables and directories of the plan; and the guest from its
 * instance to its end. The latter says what goes wrong before a guest has begun, and then gives that exit
 * code and the slug of why; with CLI_EXIT_OK, *trap says how the guest ended. `clock` may be NULL. */
gbx_code gbx_cli_run_grant(gbx_wasi *wasi, const cli_plan *plan, gbx_err *err);
int gbx_cli_run_call(const cli_plan *plan, cli_guest *guest, gbx_trap *trap, cli_text *results,
                     const char **ended, cli_clock *clock);
/* What was asked for of this machine cannot be had: says so, gives the exit code. */
int gbx_cli_run_no_setup(gbx_code code, const gbx_err *err);

/* diff.c: the command `diff`, likewise. */
int gbx_cli_diff(int argc, char **argv, int first);

/* cache.c: the command `cache`, where the cache is if nobody says (NULL: nowhere), and what it did
 * for a module, on standard error. `make`: the directories above it are to be there. */
int gbx_cli_cache(int argc, char **argv, int first);
const char *gbx_cli_cache_dir(bool make);
/* A run could make it: nothing is made. */
bool gbx_cli_cache_has_place(void);
void gbx_cli_cache_explain(const cli_plan *plan, const gbx_module *module);

/* compile.c: the command `compile`, likewise, and its page. */
int gbx_cli_compile(int argc, char **argv, int first);
void gbx_cli_help_compile(FILE *to);

/* measure.c: the command `measure`, likewise, and its page. */
int gbx_cli_measure(int argc, char **argv, int first);
void gbx_cli_help_measure(FILE *to);

/* explore.c: the command `explore`, likewise, and its page. */
int gbx_cli_explore(int argc, char **argv, int first);
void gbx_cli_help_explore(FILE *to);

/* gotool.c: the command `go`, likewise; the name of what the Go tool looks for. gorun.c: what it does. */
#define CLI_GO_WRAPPER "go_wasip1_wasm_exec"
int gbx_cli_go(int argc, char **argv, int first);
int gbx_cli_gorun(int argc, char **argv, int first);
/* gotemp.c: the directory `part` ("tmp", "out") of this run, in `parent`, made where it is not there; NULL:
 * there is no place for it. Called while the process has one thread. _end removes what was made; a run that
 * does not come to it leaves that to others. */
const char *gbx_cli_gotemp(const char *parent, const char *part);
void gbx_cli_gotemp_end(void);
/* The same command of the Go tool with `glovebox go exec`, where it started plain glovebox (-exec glovebox);
 * NULL: it did not. */
const char *gbx_cli_gorun_instead(const cli_line *line);
/* The command that the user gave to the Go tool, with GOWASIRUNTIMEARGS as given; quoted for a shell. */
const char *gbx_cli_gorun_command(const cli_line *line, const char *args);

/* gofind.c: Go and the wrapper as they are on this machine. */
typedef struct cli_gotool {
    const char *go;      /* the command, absolute; NULL: none on PATH */
    const char *version; /* "go1.26.8"; "" where it does not say */
    int minor;           /* 26; -1: unknown */
    const char *goroot;  /* "" where it does not say, and so on */
    const char *bin;     /* where `go install` puts programs; NULL: nowhere */
} cli_gotool;

typedef enum cli_wrapper {
    CLI_WRAPPER_NONE,
    CLI_WRAPPER_OURS,
    CLI_WRAPPER_MOVED, /* a link to a glovebox, which is not this one */
    CLI_WRAPPER_BROKEN, /* a link to a glovebox that is gone */
    CLI_WRAPPER_STOCK,  /* Go's own, which starts another runtime */
    CLI_WRAPPER_OTHER
} cli_wrapper;

#define CLI_GO_FLOOR 21 /* Go 1.21 is the first with wasip1 */

void gbx_cli_gofind(cli_gotool *tool);
/* What stands in `dir` under the wrapper's name. */
cli_wrapper gbx_cli_gofind_wrapper(const char *dir);
/* The directories in which the Go tool looks, in this order; NULL behind the last. */
const char **gbx_cli_gofind_path(const cli_gotool *tool);
/* The index in `path` of the first directory with a wrapper that would be started, -1: none. */
int gbx_cli_gofind_first(const char *const *path);
const char *gbx_cli_real_path(const char *path); /* absolute, without links; NULL: there is nothing */
const char *gbx_cli_gofind_self(void); /* this program, links resolved; NULL: unknown */
const char *gbx_cli_gofind_whose(cli_wrapper wrapper); /* in words */
/* Put the wrapper where the Go tool finds it, into `dir` where one is given. force: put somebody else's
 * aside. Says what it did, gives the exit code. */
int gbx_cli_go_install(const cli_gotool *tool, const char *dir, bool force);

/* doctor.c: the command `doctor`, likewise. */
int gbx_cli_doctor(int argc, char **argv, int first);

/* complete.c: the command `completion`, likewise. */
int gbx_cli_completion(int argc, char **argv, int first);

/* main.c, commands.def */
typedef struct cli_command_row {
    const char *name;
    int (*run)(int argc, char **argv, int first);
    const char *usage, *words;
} cli_command_row;
extern const cli_command_row gbx_cli_commands[];
size_t gbx_cli_command_count(void);

/* help.c */
/* The i-th page that `glovebox help` has by name, NULL behind the last; *title says what it is about. */
const char *gbx_cli_help_topic(size_t i, const char **title);
int gbx_cli_help(int argc, char **argv, int first);
void gbx_cli_help_run(FILE *to);
void gbx_cli_help_diff(FILE *to);
void gbx_cli_help_all(FILE *to);
/* Those that `command` has; 0: all. */
void gbx_cli_help_options(FILE *to, const cli_option *options, size_t count, unsigned command);
int gbx_cli_version(void);
int gbx_cli_version_command(int argc, char **argv, int first);

#endif
