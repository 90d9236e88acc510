/* What a module is made of, before it runs, and what a run used of its grants: for tools that look at modules
 * and write down what they need. Nothing runs here.
 *
 * No promise: names, fields and texts may change with every version. Include it by its own name, gbx/gbx.h
 * does not. All of it is used by one thread at a time. What a module says of itself (who built it,
 * its packages, its functions) is its own word. */
#ifndef GBX_UNSTABLE_AUDIT_H
#define GBX_UNSTABLE_AUDIT_H

#include "gbx/wasi.h"

GBX_DECLS_BEGIN

typedef struct gbx_audit gbx_audit;

/* Look at a module, which is kept until the audit is released. GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_audit_new(gbx_module *module, gbx_own gbx_audit **out, gbx_err *err);
GBX_API void gbx_audit_release(gbx_audit *audit); /* NULL is fine */

/* Strings are escaped for a terminal, "" where the module does not say, and borrowed from the audit. */
typedef struct gbx_audit_info {
    const char *language, *version;  /* "Go", "go1.26.8" */
    const char *tool, *tool_version; /* what made the module: "Go cmd/compile", "go1.26.8" */
    bool has_go_table;               /* Go's own table of functions, files and lines can be read */
    bool has_names;                  /* there is a name section, which -ldflags -s leaves out */
    bool has_start_func;             /* code runs as soon as it is instantiated */
    uint64_t file_bytes, code_bytes, data_bytes, custom_bytes; /* of the file; of sections by kind */
    uint32_t func_count;             /* with a body */
    uint32_t memory_count;           /* imported ones included; what follows is of the first */
    uint64_t memory_min_bytes;
    uint64_t memory_max_bytes; /* GBX_UNLIMITED: it states no maximum */
} gbx_audit_info;
GBX_API void gbx_audit_get(const gbx_audit *audit, gbx_audit_info *out);

/* A line of Go's build information, as `go version -m` prints it: kind "path", "mod", "dep", "=>" (what the
 * one before is replaced by) or "build"; of the latter, name and value are those of a setting. */
typedef struct gbx_audit_setting {
    const char *kind, *name, *value;
} gbx_audit_setting;
GBX_API bool gbx_audit_setting_at(const gbx_audit *audit, size_t idx, gbx_audit_setting *out);

/* A package of a Go program, the largest first, by the functions that are in the module. "" is what belongs
 * to none: what the linker and the compiler made. */
typedef struct gbx_audit_package {
    const char *name;
    uint64_t bytes; /* of its functions' bodies */
    uint32_t func_count;
} gbx_audit_package;
GBX_API bool gbx_audit_package_at(const gbx_audit *audit, size_t idx, gbx_audit_package *out);

/* Is a function by this name in the module, by Go's table or by the name section? "net.(*Dialer).Dial". What
 * nothing calls Go's linker leaves out: who has it links it, which does not say that it runs. */
GBX_API bool gbx_audit_has_func(const gbx_audit *audit, const char *name);

/* ---- What a run used */

/* A directory of the guest's tree, absolute and clean, in which the guest read or, with `changes`, changed
 * something; or, `refused`, the path of what no grant covers, which it wanted to read or to change. Paths are
 * UTF-8 and not escaped. Devices that every guest has, and what was not there, are left out. */
typedef struct gbx_use {
    const char *path;
    bool changes, refused;
} gbx_use;

/* Note what is used by guests of the gbx_wasi_links from now on. */
GBX_API void gbx_wasi_note_uses(gbx_wasi *wasi, bool notes);
/* What guests of the last gbx_wasi_link in this store used so far: how many, and in *out the rows, each once,
 * borrowed until guest code runs or this is called again. *is_whole (may be NULL): none is left out; at most
 * 1,024 are kept. */
GBX_API size_t gbx_store_uses(const gbx_store *store, const gbx_use **out, bool *is_whole);

/* What granted variables look like secrets, by their names (..._KEY, ..._TOKEN, SECRET, PASSWORD, ..._URL)
 * or their values (user:password@, a private key, the beginnings of known tokens): how many, and of the
 * first `cap` the names, borrowed until the builder is changed. For who hands over an environment that others
 * filled. */
GBX_API size_t gbx_wasi_secrets(const gbx_wasi *wasi, const char **names, size_t cap);

GBX_DECLS_END

#endif
