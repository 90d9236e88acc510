/* Policy files: what a module is granted, in a file that people review.
 *
 *     glovebox-policy 1
 *     # comments
 *     dir ./data::/data::ro
 *     env LANG
 *     timeout 10s
 *     host env.charge "(i64) -> (i32)" "charges the tenant's account"
 *
 * A line is the name of an option of `glovebox run` and its value, as on a command line, in the one form that
 * says all: a directory has its three parts, a scratch directory its size. So one line is one grant, two
 * files compare line by line, and what a file grants can be typed. A value that is not plain stands in
 * quotes, with \" \\ \n \t \r \xNN. A `#` begins a comment at the beginning of a line or behind a blank.
 *
 * SAFETY: bounds below; control characters stand in escapes only, so that what is reviewed on a terminal is
 * what is in the file; each grant once; nothing is opened or looked up here. */
#include "cli/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POLICY_BYTES = 1 << 20, POLICY_LINES = 4096, POLICY_WORDS = 4, POLICY_NUMBER = 20 };

static const cli_option_id policy_ids[] = {
        CLI_OPT_DIR,          CLI_OPT_SCRATCH,      CLI_OPT_ALLOW_SPECIAL_FILES,
        CLI_OPT_ENV,          CLI_OPT_CWD,          CLI_OPT_ARGV0,
        CLI_OPT_LISTEN,       CLI_OPT_STUB,         CLI_OPT_TIMEOUT,
        CLI_OPT_FUEL,         CLI_OPT_MAX_MEMORY,   CLI_OPT_MAX_OUTPUT,
        CLI_OPT_MAX_DISK,     CLI_OPT_WASM_FEATURE, CLI_OPT_SEED,
        CLI_OPT_SANITIZE_TTY,
};

const char *
gbx_cli_policy_key(cli_option_id id)
{
    for (size_t i = 0; i < CLI_LEN(policy_ids); i++)
        if (policy_ids[i] == id) return gbx_cli_options[id].name + 2;
    return NULL;
}

const cli_grant *
gbx_cli_policy_find(const cli_policy *p, cli_option_id id)
{
    const cli_grant *found = NULL;
    for (int i = 0; i < p->count; i++)
        if (p->grants[i].id == id) found = &p->grants[i];
    return found;
}

const char *
gbx_cli_policy_quote(const char *value)
{
    bool plain = *value && *value != '"' && *value != '#';
    for (const char *p = value; *p; p++)
        plain = plain && (unsigned char)*p > ' ' && *p != 0x7f && *p != '\\' &&
                !((unsigned char)*p & 0x80);
    if (plain) return value;
    cli_text t = {0};
    gbx_cli_text_add(&t, "\"", 1);
    for (const char *p = value; *p; p++) {
        unsigned char const c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            gbx_cli_text_printf(&t, "\\%c", c);
        else if (c == '\n')
            gbx_cli_text_printf(&t, "\\n");
        else if (c < ' ' || c >= 0x7f)
            gbx_cli_text_printf(&t, "\\x%02x", c);
        else
            gbx_cli_text_add(&t, p, 1);
    }
    gbx_cli_text_add(&t, "\"", 1);
    return gbx_cli_text_get(&t);
}

/* ---- Reading */

typedef struct policy_reader {
    cli_policy *policy;
    const char *at; /* the line's place */
} policy_reader;

static int
policy_bad(const char *at, const char *message, const char *why, const char *fix)
{
    gbx_cli_diag(&(cli_diag){.kind = "error",
                             .slug = "policy-file",
                             .message = message,
                             .at = at,
                             .why = why,
                             .fix = fix});
    return CLI_EXIT_SETUP;
}

static int
policy_load(const char *path, char **text, size_t *len)
{
    struct stat st;
    char *const buf = gbx_cli_alloc(POLICY_BYTES + 2, 1);
    int const fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : fstat(fd, &st);
    *len = 0;
    if (n == 0 && S_ISDIR(st.st_mode)) {
        n = -1;
        errno = EISDIR;
    }
    while (n >= 0 && *len <= POLICY_BYTES) {
        n = read(fd, buf + *len, POLICY_BYTES + 1 - *len);
        if (n < 0 && errno == EINTR)
            n = 0;
        else if (n <= 0)
            break;
        *len += (size_t)n;
    }
    int const error = errno;
    if (fd >= 0) close(fd);
    *text = buf;
    if (n < 0)
        return policy_bad(NULL, gbx_cli_format("the policy %s cannot be read", gbx_cli_quote(path)),
                          strerror(error),
                          gbx_cli_format("glovebox policy -o %s FILE -- args\n(records one)",
                                         gbx_cli_quote(path)));
    if (*len <= POLICY_BYTES) return CLI_EXIT_OK;
    return policy_bad(gbx_cli_quote(path), "it is too large for a policy",
                      "a policy has at most 1 MiB", NULL);
}

static int
policy_hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The escape behind a backslash at *p; false: it is none. NUL cannot be written. */
static bool
policy_escape(const char **p, cli_text *t)
{
    char const c = *(*p)++;
    const char *const from = "\"\\ntr", *const to = "\"\\\n\t\r",
                      *const plain = c ? strchr(from, c) : NULL;
    int const high = c == 'x' ? policy_hex((*p)[0]) : -1, low = high < 0 ? -1 : policy_hex((*p)[1]);
    char const byte = (char)(plain ? to[plain - from] : (high << 4 | low));
    if (!plain && (low < 0 || !byte)) return false;
    if (!plain) *p += 2;
    gbx_cli_text_add(t, &byte, 1);
    return true;
}

/* Split a line into words, quotes and comment resolved; -1: *why says what is wrong. */
static int
policy_words(const char *line, const char **words, const char **why)
{
    int count = 0;
    const char *p = line + strspn(line, " \t");
    for (; *p && *p != '#'; p += strspn(p, " \t")) {
        cli_text t = {0};
        bool const quoted = *p == '"';
        if (count == POLICY_WORDS) {
            *why = "there are too many words; what holds a blank stands in quotes";
            return -1;
        }
        for (p += quoted; *p && (quoted ? *p != '"' : *p != ' ' && *p != '\t');) {
            bool const is_escape = quoted && *p == '\\';
            if (!is_escape) {
                gbx_cli_text_add(&t, p++, 1);
                continue;
            }
            p++;
            if (*p && policy_escape(&p, &t)) continue;
            *why = "behind a backslash stands one of \" \\ n t r, or x and two hexadecimal digits "
                   "that are not 00";
            return -1;
        }
        if (quoted && *p++ != '"') {
            *why = "a quote is not closed";
            return -1;
        }
        if (quoted && *p && *p != ' ' && *p != '\t') {
            *why = "behind a closing quote stands a blank";
            return -1;
        }
        words[count++] = gbx_cli_text_get(&t);
    }
    return count;
}

/* ---- One grant */

static bool
policy_dir(cli_grant *g, const char **why)
{
    const char *const first = strstr(g->value, "::"), *const second =
                                                              first ? strstr(first + 2, "::")
                                                                    : NULL;
    *why = "a directory has three parts here: HOST::GUEST::ro or HOST::GUEST::rw";
    if (!second || strstr(second + 2, "::") || first == g->value || second == first + 2)
        return false;
    g->read_only = !strcmp(second, "::ro");
    if (!g->read_only && strcmp(second, "::rw") != 0) return false;
    g->host = gbx_cli_copy(g->value, (size_t)(first - g->value));
    g->guest = gbx_cli_guest_path(gbx_cli_copy(first + 2, (size_t)(second - first - 2)));
    *why = "the guest's name leads above the guest's root directory";
    return g->guest != NULL;
}

static bool
policy_scratch(cli_grant *g, const char **why)
{
    const char *const equals = strrchr(g->value, '=');
    *why = "a scratch directory is written with its size: GUEST=64MiB";
    if (!equals || equals == g->value || !gbx_cli_parse_size(equals + 1, &g->number, why))
        return false;
    g->guest = gbx_cli_guest_path(gbx_cli_copy(g->value, (size_t)(equals - g->value)));
    *why = "it holds at least a byte, fewer than 2^63, and lies in the guest's own tree";
    return g->guest && g->number && g->number <= INT64_MAX;
}

/* NAME=VALUE in two; `fixed` is NULL where there is no `=`. */
static bool
policy_assignment(cli_grant *g, const char **why)
{
    const char *const equals =
            g->id == CLI_OPT_STUB ? strrchr(g->value, '=') : strchr(g->value, '=');
    g->name = equals ? gbx_cli_copy(g->value, (size_t)(equals - g->value)) : g->value;
    g->fixed = equals ? equals + 1 : NULL;
    *why = "it has no name";
    if (!*g->name) return false;
    *why = "it is written MODULE.NAME=trap or MODULE.NAME=0";
    if (g->id == CLI_OPT_STUB)
        return g->fixed && (!strcmp(g->fixed, "trap") || !strcmp(g->fixed, "0"));
    gbx_feature feature;
    bool is_on = true;
    if (g->id == CLI_OPT_WASM_FEATURE && !gbx_cli_feature_parse(g->value, &feature, &is_on, why))
        return false;
    if (g->id == CLI_OPT_WASM_FEATURE) g->fixed = is_on ? "on" : "off";
    return true;
}

static bool
policy_number(cli_grant *g, const char **why)
{
    bool const digits = *g->value && !g->value[strspn(g->value, "0123456789")];
    switch (g->id) {
    case CLI_OPT_TIMEOUT:
        if (!gbx_cli_parse_duration(g->value, &g->number, why)) return false;
        if (!g->number) g->number = GBX_UNLIMITED;
        return true;
    case CLI_OPT_FUEL:
    case CLI_OPT_SEED:
        *why = "it is a whole number";
        if (!digits || strlen(g->value) > POLICY_NUMBER) return false;
        g->number = strtoull(g->value, NULL, 10);
        if (g->id == CLI_OPT_FUEL && !g->number) g->number = GBX_UNLIMITED;
        return true;
    default:
        *why = "the least is 1";
        return gbx_cli_parse_size(g->value, &g->number, why) && g->number;
    }
}

static bool
policy_value(cli_grant *g, const char **why)
{
    switch (g->id) {
    case CLI_OPT_DIR: return policy_dir(g, why);
    case CLI_OPT_SCRATCH: return policy_scratch(g, why);
    case CLI_OPT_ENV:
    case CLI_OPT_STUB:
    case CLI_OPT_WASM_FEATURE: return policy_assignment(g, why);
    case CLI_OPT_TIMEOUT:
    case CLI_OPT_FUEL:
    case CLI_OPT_SEED:
    case CLI_OPT_MAX_MEMORY:
    case CLI_OPT_MAX_OUTPUT:
    case CLI_OPT_MAX_DISK: return policy_number(g, why);
    case CLI_OPT_CWD:
        *why = "it is a path in the guest's own tree, which starts at /";
        return *g->value == '/' && gbx_cli_guest_path(g->value) != NULL;
    case CLI_OPT_SANITIZE_TTY:
        *why = "it is on or off";
        return !strcmp(g->value, "on") || !strcmp(g->value, "off");
    default: *why = "it is empty"; return *g->value != 0;
    }
}

/* The character at p moves what is shown, or shows nothing: U+200B-F, U+202A-E, U+2060-9, U+FEFF. */
static bool
policy_is_hidden(const char *p)
{
    const unsigned char *const u = (const unsigned char *)p;
    if (u[0] == 0xef) return u[1] == 0xbb && u[2] == 0xbf;
    if (u[0] != 0xe2 || (u[1] != 0x80 && u[1] != 0x81)) return false;
    return u[1] == 0x80 ? (u[2] >= 0x8b && u[2] <= 0x8f) || (u[2] >= 0xaa && u[2] <= 0xae)
                        : u[2] >= 0xa0 && u[2] <= 0xa9;
}

/* What may stand in a file once: all options that are not lists, and the same thing of a list. */
static bool
policy_is_same(const cli_grant *a, const cli_grant *b)
{
    if (a->id != b->id) {
        bool const a_dir = a->id == CLI_OPT_DIR || a->id == CLI_OPT_SCRATCH;
        bool const b_dir = b->id == CLI_OPT_DIR || b->id == CLI_OPT_SCRATCH;
        return a_dir && b_dir && !strcmp(a->guest, b->guest);
    }
    if (a->guest) return !strcmp(a->guest, b->guest);
    if (a->name) return !strcmp(a->name, b->name);
    return a->id != CLI_OPT_LISTEN || !strcmp(a->value, b->value);
}

static const char *
policy_near(const char *key)
{
    unsigned best = 3;
    const char *near = NULL;
    for (size_t i = 0; i < CLI_LEN(policy_ids); i++) {
        const char *const name = gbx_cli_options[policy_ids[i]].name + 2;
        unsigned const d = gbx_cli_distance(key, name);
        if (d < best) best = d, near = name;
    }
    return near;
}

static int
policy_key_unknown(const policy_reader *r, const char *key)
{
    const char *const near = policy_near(key);
    return policy_bad(r->at,
                      gbx_cli_format("a policy grants nothing called \"%s\"", gbx_cli_show(key)),
                      gbx_cli_option_find(gbx_cli_format("--%s", key)) == CLI_OPT_COUNT
                              ? "a line is the name of an option that grants or bounds something, "
                                "and its value"
                              : "that option is of one run, and no grant or bound",
                      near ? gbx_cli_format("write %s", near)
                           : "glovebox help policy\n(what can stand in one)");
}

static int
policy_line(policy_reader *r, const char **words, int count)
{
    const char *why = "it needs a value", *const key = words[0];
    cli_grant g = {.id = CLI_OPT_COUNT,
                   .at = r->at,
                   .value = count > 1 ? words[1] : NULL,
                   .number = GBX_UNLIMITED};
    bool const is_host = !strcmp(key, "host");
    for (size_t i = 0; i < CLI_LEN(policy_ids); i++)
        if (!strcmp(key, gbx_cli_options[policy_ids[i]].name + 2)) g.id = policy_ids[i];
    if (!is_host && g.id == CLI_OPT_COUNT) return policy_key_unknown(r, key);
    bool const is_flag = !is_host && !gbx_cli_options[g.id].argument;
    bool ok;
    if (is_host) {
        g.name = g.value;
        g.signature = count > 2 ? words[2] : NULL;
        g.purpose = count > 3 ? words[3] : "";
        ok = count > 2 && strchr(g.name, '.');
        why = "it is written: host MODULE.NAME \"(i32) -> (i32)\" \"what it is for\"";
    } else {
        ok = count == (is_flag ? 1 : 2);
        if (count > 1) why = is_flag ? "it takes no value" : "what holds a blank stands in quotes";
        ok = ok && (is_flag || policy_value(&g, &why));
    }
    if (!ok)
        return policy_bad(r->at, gbx_cli_format("this %s cannot be used", gbx_cli_show(key)), why,
                          is_host ? NULL
                                  : gbx_cli_format("%s %s", key,
                                                   is_flag ? "" : gbx_cli_options[g.id].argument));
    for (int i = 0; i < r->policy->count; i++)
        if (policy_is_same(&r->policy->grants[i], &g))
            return policy_bad(r->at, gbx_cli_format("this %s stands in the file twice", key),
                              gbx_cli_format("the first is %s", r->policy->grants[i].at),
                              "take one of them out");
    r->policy->grants[r->policy->count++] = g;
    return CLI_EXIT_OK;
}

/* A line that begins the file, and says which form it has. */
static int
policy_first(const policy_reader *r, const char *line)
{
    size_t const len = strcspn(CLI_POLICY_FIRST, " ");
    if (!strcmp(line, CLI_POLICY_FIRST)) return CLI_EXIT_OK;
    if (!strncmp(line, CLI_POLICY_FIRST, len) && line[len] == ' ')
        return policy_bad(r->at, "the policy has a form that this glovebox does not know",
                          gbx_cli_show(line),
                          "use the version of glovebox that wrote it, or record it again");
    return policy_bad(r->at, "this is no policy", "the first line of a policy is " CLI_POLICY_FIRST,
                      "glovebox policy FILE -- args\n(records one)");
}

int
gbx_cli_policy_read(const char *path, cli_policy *out)
{
    char *text;
    size_t len;
    *out = (cli_policy){.path = path};
    int status = policy_load(path, &text, &len);
    if (status != CLI_EXIT_OK) return status;
    out->grants = gbx_cli_alloc(POLICY_LINES + 1, sizeof *out->grants);
    int number = 0;
    for (size_t from = 0; from <= len && (from < len || !number); number++) {
        const char *const end = memchr(text + from, '\n', len - from);
        size_t const line_len = end ? (size_t)(end - (text + from)) : len - from;
        char *const line = gbx_cli_copy(text + from, line_len);
        policy_reader r = {out, gbx_cli_format("%s:%d", gbx_cli_quote(path), number + 1)};
        from += line_len + 1;
        if (number == POLICY_LINES)
            return policy_bad(r.at, "the policy is too long", "a policy has at most 4,096 lines",
                              NULL);
        for (size_t i = 0; i < line_len; i++)
            if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f ||
                policy_is_hidden(line + i))
                return policy_bad(r.at, "there is a character in this line that does not show",
                                  "a file with such could show something else than it grants",
                                  "write it as an escape in quotes, \\x1b");
        if (number == 0) {
            status = policy_first(&r, line);
            if (status != CLI_EXIT_OK) return status;
            continue;
        }
        const char *words[POLICY_WORDS], *why = NULL;
        int const count = policy_words(line, words, &why);
        if (count < 0) return policy_bad(r.at, "this line cannot be read", why, NULL);
        if (count) status = policy_line(&r, words, count);
        if (status != CLI_EXIT_OK) return status;
    }
    return CLI_EXIT_OK;
}

/* ---- As part of a command line */

int
gbx_cli_policy_apply(cli_line *line)
{
    const char *const path = gbx_cli_line_value(line, CLI_OPT_POLICY);
    cli_policy p;
    if (!path) return CLI_EXIT_OK;
    for (int i = 0, seen = 0; i < line->given_count; i++) {
        seen += line->given[i].id == CLI_OPT_POLICY;
        if (seen > 1)
            return gbx_cli_usage_error(
                    "policy-file", "there are two policies", "a run has one",
                    gbx_cli_line_command(line, &(cli_edit){.skip = line->given[i].word,
                                                           .skip_count = line->given[i].words}));
    }
    int const status = gbx_cli_policy_read(path, &p);
    if (status != CLI_EXIT_OK) return status;
    cli_given *const all = gbx_cli_alloc((size_t)(p.count + line->given_count) + 1, sizeof *all);
    int const word = line->given[gbx_cli_line_find(line, CLI_OPT_POLICY)].word;
    int count = 0;
    line->hosts = gbx_cli_alloc((size_t)p.count + 1, sizeof *line->hosts);
    for (int i = 0; i < p.count; i++) {
        const cli_grant *const g = &p.grants[i];
        if (g->id == CLI_OPT_COUNT) line->hosts[line->host_count++] = *g;
        if (g->id == CLI_OPT_COUNT || !(gbx_cli_options[g->id].commands & line->command)) continue;
        all[count++] = (cli_given){.id = g->id, .value = g->value, .word = word, .at = g->at};
    }
    memcpy(all + count, line->given, (size_t)line->given_count * sizeof *all);
    line->given = all;
    line->given_count += count;
    return CLI_EXIT_OK;
}
