/* JSON written for hosts: one line, members in the order in which they are written.
 *
 * A zeroed writer is an empty one. What goes wrong, memory being short, is remembered: the writer can be
 * given the rest all the same, and the end gives NULL. Keys are ours; texts may be a guest's or a file's.
 * Well-formed characters stay as they are, but that those which show nothing or reorder what is shown are
 * escaped; a byte that is no UTF-8 becomes U+FFFD. */
#ifndef GBX_BASE_JSON_H
#define GBX_BASE_JSON_H

#include "base/base.h"

typedef struct json {
    char *data;
    size_t len, cap;
    bool failed;
    bool behind; /* a value stands here: the next one needs a comma */
} json;

/* `key`: NULL in arrays, and for what stands alone. `kind` is '{' or '['. */
void gbx_base_json_open(json *j, const char *key, char kind);
void gbx_base_json_close(json *j, char kind); /* the same kind */
void gbx_base_json_text(json *j, const char *key, const void *text, size_t len);
void gbx_base_json_string(json *j, const char *key, const char *text); /* NULL: null */
void gbx_base_json_u64(json *j, const char *key, u64 value);
void gbx_base_json_i64(json *j, const char *key, i64 value);
void gbx_base_json_bool(json *j, const char *key, bool value);
void gbx_base_json_null(json *j, const char *key);

/* The text, which is the caller's to free; NULL: memory was short. The writer is empty again. */
GBX_MUST_USE char *gbx_base_json_end(json *j);

#endif
