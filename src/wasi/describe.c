/* What a guest of a context is granted, in JSON: for gbx_wasi_describe.
 *
 * The context says it, not the builder: this is what the guest has. Values of variables are not told, they
 * may be secrets. Members stand in this order, always all of them. */
#include "wasi/wasi_int.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"

static void
describe_strings(json *j, const char *key, const wasi_strings *s, bool names_only)
{
    gbx_base_json_open(j, key, '[');
    const char *at = s->data;
    for (u32 i = 0; i < s->count; i++) {
        gbx_base_json_text(j, NULL, at, names_only ? strcspn(at, "=") : strlen(at));
        at += strlen(at) + 1;
    }
    gbx_base_json_close(j, '[');
}

static const char *
describe_type(const wasi_file *f)
{
    switch (f->type) {
    case TYPE_BLOCK_DEVICE: return "block device";
    case TYPE_CHARACTER_DEVICE: return f->terminal ? "terminal" : "character device";
    case TYPE_DIRECTORY: return "directory";
    case TYPE_REGULAR_FILE: return "file";
    case TYPE_SOCKET_DGRAM: return "datagram socket";
    case TYPE_SOCKET_STREAM: return "stream socket";
    default: return "pipe";
    }
}

/* The descriptor that was granted as `fd`, wherever the guest moved it; NULL: it has closed it. */
static const wasi_file *
describe_granted(const wasi_ctx *w, u32 fd)
{
    for (u32 i = 0; i < w->fds.len; i++)
        if (w->fds.files[i].kind != KIND_FREE && w->fds.files[i].granted == fd + 1) return &w->fds.files[i];
    return NULL;
}

static void
describe_stream(const wasi_ctx *w, json *j, const char *key, u32 fd)
{
    const wasi_file *const f = describe_granted(w, fd);
    const wasi_stream *const s = &w->streams[fd];
    gbx_base_json_open(j, key, '{');
    if (!f) {
        gbx_base_json_string(j, "kind", "closed");
    } else if (f->kind == KIND_HOST) {
        gbx_base_json_string(j, "kind", describe_type(f));
    } else if (s->blob) {
        gbx_base_json_string(j, "kind", "bytes");
        gbx_base_json_u64(j, "bytes", s->blob->len);
    } else if (s->most) {
        gbx_base_json_string(j, "kind", "memory");
        gbx_base_json_u64(j, "most_bytes", s->most);
    } else if (s->read || s->write || f->sink) {
        gbx_base_json_string(j, "kind", "host function");
    } else {
        gbx_base_json_string(j, "kind", "nothing");
    }
    gbx_base_json_close(j, '{');
}

static void
describe_sockets(const wasi_ctx *w, json *j)
{
    gbx_base_json_open(j, "sockets", '[');
    for (u32 fd = 3; fd + w->preopen_count < w->granted; fd++) {
        const wasi_file *const f = describe_granted(w, fd);
        char address[128];
        if (!f) continue;
        gbx_wasi_listen_name(f->host, address, sizeof address);
        gbx_base_json_open(j, NULL, '{');
        gbx_base_json_u64(j, "fd", fd);
        gbx_base_json_string(j, "kind", f->listens ? "listener" : describe_type(f));
        gbx_base_json_string(j, "address", address);
        gbx_base_json_close(j, '{');
    }
    gbx_base_json_close(j, '[');
}

static void
describe_dirs(const wasi_ctx *w, json *j)
{
    gbx_base_json_open(j, "directories", '[');
    for (u32 i = 0; i < w->preopen_count; i++) {
        const wasi_preopen *const p = &w->preopens[i];
        gbx_base_json_open(j, NULL, '{');
        gbx_base_json_string(j, "guest_path", p->name);
        gbx_base_json_string(j, "kind", p->tree ? "memory" : p->scratch_bytes ? "scratch" : "host");
        gbx_base_json_string(j, "access", p->read_only ? "read-only" : "read-write");
        if (p->tree) {
            u64 files, bytes;
            gbx_wasi_tree_figures(p->tree, &files, &bytes);
            gbx_base_json_u64(j, "files", files);
            gbx_base_json_u64(j, "bytes", bytes);
        } else if (p->scratch_bytes) {
            gbx_base_json_u64(j, "most_bytes", p->scratch_bytes);
        } else {
            gbx_base_json_string(j, "host_path", p->host_path);
        }
        gbx_base_json_close(j, '{');
    }
    gbx_base_json_close(j, '[');
}

static const char *
describe_clock(const wasi_ctx *w)
{
    if (!w->clock_now) return "real";
    if (w->clock_now != gbx_wasi_clock_now) return "host function";
    return w->clock_fixed ? "fixed" : "seeded";
}

void
gbx_wasi_ctx_describe(wasi_ctx *w, json *j)
{
    static const char *const streams[] = {"stdin", "stdout", "stderr"};
    describe_strings(j, "args", &w->args, false);
    describe_strings(j, "env", &w->env, true);
    for (u32 fd = 0; fd < GBX_LEN(streams); fd++) describe_stream(w, j, streams[fd], fd);
    describe_sockets(w, j);
    describe_dirs(w, j);
    gbx_base_json_string(j, "clock", describe_clock(w));
    bool const is_seeded = w->random_fill && w->random_data == &w->random;
    const char *const random = !w->random_fill ? "system" : is_seeded ? "seeded" : "host function";
    gbx_base_json_string(j, "randomness", random);
    gbx_base_json_bool(j, "special_files", w->special);
    gbx_base_json_bool(j, "raw_terminals", w->raw);
}
