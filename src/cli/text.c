/* Memory, strings and shell quoting of the command.
 *
 * Everything is allocated from a list that is reachable until the process ends, so a leak checker
 * has nothing to report and no caller has to free. What a user typed is shown through
 * gbx_cli_show and gbx_cli_text_quote only: a file name must not be able to write to a terminal. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

typedef struct text_block {
    struct text_block *next;
    max_align_t bytes[];
} text_block;

static text_block *text_blocks;

void *
gbx_cli_alloc(size_t count, size_t bytes)
{
    size_t total;
    text_block *block = NULL;
    if (!__builtin_mul_overflow(count, bytes, &total) &&
        !__builtin_add_overflow(total, sizeof *block, &total))
        block = calloc(1, total);
    if (!block) {
        fputs("glovebox: out of memory\n", stderr);
        exit(CLI_EXIT_SETUP);
    }
    block->next = text_blocks;
    text_blocks = block;
    return block->bytes;
}

bool
gbx_cli_is_wasm_name(const char *name)
{
    size_t const len = strlen(name);
    return len > 5 && !strcmp(name + len - 5, ".wasm");
}

char *
gbx_cli_copy(const char *p, size_t len)
{
    char *const copy = gbx_cli_alloc(len + 1, 1);
    memcpy(copy, p, len);
    return copy;
}

static void
text_reserve(cli_text *t, size_t more)
{
    if (more < t->cap - t->len) return;
    size_t cap = t->cap ? t->cap : 64;
    while (cap - t->len <= more) cap *= 2;
    char *const data = gbx_cli_alloc(cap, 1);
    if (t->len) memcpy(data, t->data, t->len);
    t->data = data;
    t->cap = cap;
}

void
gbx_cli_text_add(cli_text *t, const char *p, size_t len)
{
    text_reserve(t, len);
    if (len) memcpy(t->data + t->len, p, len);
    t->len += len;
    t->data[t->len] = 0;
}

static void
text_vprintf(cli_text *t, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int const n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0) {
        text_reserve(t, (size_t)n);
        vsnprintf(t->data + t->len, (size_t)n + 1, fmt, again);
        t->len += (size_t)n;
    }
    va_end(again);
}

void
gbx_cli_text_printf(cli_text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    text_vprintf(t, fmt, args);
    va_end(args);
}

char *
gbx_cli_format(const char *fmt, ...)
{
    cli_text t = {0};
    va_list args;
    va_start(args, fmt);
    text_vprintf(&t, fmt, args);
    va_end(args);
    return t.data ? t.data : gbx_cli_copy("", 0);
}

const char *
gbx_cli_file_beside(const char *file, const char *ending)
{
    size_t const len = strlen(file);
    return gbx_cli_format("%.*s%s", (int)(gbx_cli_is_wasm_name(file) ? len - 5 : len), file, ending);
}

bool
gbx_cli_is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return a && b && !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

const char *
gbx_cli_text_get(const cli_text *t)
{
    return t->data ? t->data : "";
}

/* Locale-free: bytes of 0x80 and above belong to UTF-8 names and stay as they are, except the C1
 * controls that some terminals obey. */
static bool
text_is_control(const char *p)
{
    unsigned char const c = (unsigned char)p[0];
    unsigned char const d = c ? (unsigned char)p[1] : 0;
    return c < 0x20 || c == 0x7f || (c == 0xc2 && d >= 0x80 && d <= 0x9f);
}

const char *
gbx_cli_show(const char *word)
{
    cli_text t = {0};
    for (const char *p = word; *p; p++) {
        if (text_is_control(p))
            gbx_cli_text_printf(&t, "\\x%02x", (unsigned char)*p);
        else
            gbx_cli_text_add(&t, p, 1);
    }
    return gbx_cli_text_get(&t);
}

static bool
text_is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./,:=@%+";
    return word[0] && word[0] != '=' && word[strspn(word, plain)] == 0;
}

void
gbx_cli_text_quote(cli_text *t, const char *word)
{
    bool control = false;
    for (const char *p = word; *p; p++) control = control || text_is_control(p);
    if (text_is_plain(word)) {
        gbx_cli_text_add(t, word, strlen(word));
        return;
    }
    gbx_cli_text_printf(t, "%s'", control ? "$" : "");
    for (const char *p = word; *p; p++) {
        if (control && text_is_control(p))
            gbx_cli_text_printf(t, "\\x%02x", (unsigned char)*p);
        else if (control && (*p == '\\' || *p == '\''))
            gbx_cli_text_printf(t, "\\%c", *p);
        else if (*p == '\'')
            gbx_cli_text_printf(t, "'\\''");
        else
            gbx_cli_text_add(t, p, 1);
    }
    gbx_cli_text_printf(t, "'");
}

const char *
gbx_cli_quote(const char *word)
{
    cli_text t = {0};
    gbx_cli_text_quote(&t, word);
    return gbx_cli_text_get(&t);
}

static unsigned char
text_lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static unsigned
text_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau's distance, restricted: no substring is edited twice. */
unsigned
gbx_cli_distance(const char *a, const char *b)
{
    enum { MAX = 40 };
    size_t const n = strlen(a), m = strlen(b);
    if (n > MAX || m > MAX) return CLI_FAR;
    unsigned row[MAX + 1][MAX + 1];
    for (unsigned i = 0; i <= n; i++) row[i][0] = i;
    for (unsigned j = 0; j <= m; j++) row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            unsigned char const x = text_lower(a[i - 1]), y = text_lower(b[j - 1]);
            unsigned const change = row[i - 1][j - 1] + (x != y);
            row[i][j] = text_min(change, text_min(row[i - 1][j], row[i][j - 1]) + 1);
            if (i > 1 && j > 1 && x == text_lower(b[j - 2]) && y == text_lower(a[i - 2]))
                row[i][j] = text_min(row[i][j], row[i - 2][j - 2] + 1);
        }
    }
    return row[n][m];
}

/* Bytes of the UTF-8 sequence at p, 0 where it is none. SPEC: RFC 3629, 4 */
static size_t
text_sequence(const unsigned char *p)
{
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4) return 0;
    size_t const len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    bool const is_bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return is_bad ? 0 : len;
}

/* A byte that is no text becomes the four characters \xNN. */
void
gbx_cli_text_json(cli_text *t, const char *text)
{
    gbx_cli_text_add(t, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t const len = text_sequence(p);
        if (!len) gbx_cli_text_printf(t, "\\\\x%02x", *p);
        else if (*p < 0x20 || *p == 0x7f) gbx_cli_text_printf(t, "\\u%04x", *p);
        else if (*p == '"' || *p == '\\') gbx_cli_text_printf(t, "\\%c", *p);
        else gbx_cli_text_add(t, (const char *)p, len);
        p += len ? len : 1;
    }
    gbx_cli_text_add(t, "\"", 1);
}

void
gbx_cli_json_string(FILE *to, const char *text)
{
    cli_text t = {0};
    gbx_cli_text_json(&t, text);
    fputs(gbx_cli_text_get(&t), to);
}
