/* wasi.h: the builder of preview 1's grants.
 *
 * The builder holds copies of all strings and duplicates of all descriptors, so that nothing the host
 * does afterwards changes what was granted; a context made from it holds its own again. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "api/wasi_int.h"
#include "base/alloc.h"
#include "base/text.h"

gbx_code
gbx_api_wasi_out_of_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a grant");
}

gbx_code
gbx_wasi_new(gbx_wasi **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    gbx_wasi *const w = gbx_base_alloc_zero(1, sizeof *w);
    if (!w) return gbx_api_wasi_out_of_memory(err);
    for (int i = 0; i < 3; i++) w->stdio[i] = -1;
    w->clock = WASI_CLOCK_FIXED;
    *out = w;
    return GBX_OK;
}

static void
api_wasi_free_strings(api_strings *s)
{
    for (u32 i = 0; i < s->len; i++) gbx_base_free(s->items[i]);
    gbx_base_free(s->items);
}

static void
api_wasi_close(int fd)
{
    if (fd >= 0) (void)close(fd);
}

void
gbx_api_wasi_unbind(gbx_wasi *wasi, int guest_fd)
{
    wasi_stream_grant *const s = &wasi->streams[guest_fd];
    api_wasi_close(wasi->stdio[guest_fd]);
    wasi->stdio[guest_fd] = -1;
    gbx_wasi_blob_release(s->blob);
    if (s->has_ready_fd) api_wasi_close(s->ready_fd);
    *s = (wasi_stream_grant){.ready_fd = -1};
    wasi->sinks[guest_fd] = (wasi_sink){0};
}

void
gbx_wasi_release(gbx_wasi *wasi)
{
    if (!wasi) return;
    api_wasi_free_strings(&wasi->args);
    api_wasi_free_strings(&wasi->env);
    for (u32 i = 0; i < wasi->dirs.len; i++) {
        api_wasi_close(wasi->dirs.items[i].host_fd);
        gbx_wasi_tree_release(wasi->dirs.items[i].tree);
        gbx_base_free((void *)(uintptr_t)wasi->dirs.items[i].guest_path);
        gbx_base_free((void *)(uintptr_t)wasi->dirs.items[i].host_path);
    }
    gbx_base_free(wasi->dirs.items);
    for (u32 i = 0; i < wasi->sockets.len; i++) api_wasi_close(wasi->sockets.items[i].host_fd);
    gbx_base_free(wasi->sockets.items);
    for (int i = 0; i < 3; i++) gbx_api_wasi_unbind(wasi, i);
    gbx_base_free(wasi);
}

/* Room for one more item of `bytes` in a list; false when memory is short. */
static bool
api_wasi_room(void **items, u32 len, u32 *cap, size_t bytes)
{
    if (len < *cap) return true;
    u32 more;
    if (__builtin_mul_overflow(*cap ? *cap : 4, 2, &more)) return false;
    void *const fresh = gbx_base_realloc(*items, more, bytes);
    if (!fresh) return false;
    *items = fresh;
    *cap = more;
    return true;
}

static char *
api_wasi_join(const char *a, const char *between, const char *b)
{
    size_t const a_len = strlen(a), between_len = strlen(between), b_len = strlen(b);
    char *const s = gbx_base_alloc(1, a_len + between_len + b_len + 1);
    if (!s) return NULL;
    memcpy(s, a, a_len);
    memcpy(s + a_len, between, between_len);
    memcpy(s + a_len + between_len, b, b_len + 1);
    return s;
}

/* Append `item`, which the list then owns; NULL, or no room, is out of memory. */
static gbx_code
api_wasi_append(api_strings *s, char *item, gbx_err *err)
{
    void *items = s->items;
    if (!item || !api_wasi_room(&items, s->len, &s->cap, sizeof *s->items)) {
        gbx_base_free(item);
        return gbx_api_wasi_out_of_memory(err);
    }
    s->items = items;
    s->items[s->len++] = item;
    return GBX_OK;
}

gbx_code
gbx_wasi_arg(gbx_wasi *wasi, const char *arg, gbx_err *err)
{
    API_NEED(wasi, err);
    API_NEED(arg, err);
    return api_wasi_append(&wasi->args, api_wasi_join(arg, "", ""), err);
}

gbx_code
gbx_wasi_env(gbx_wasi *wasi, const char *name, const char *value, gbx_err *err)
{
    API_NEED(wasi, err);
    API_NEED(name, err);
    API_NEED(value, err);
    size_t const name_len = strlen(name);
    if (name_len == 0 || strchr(name, '=')) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the name of a variable is empty or contains '='");
    }
    char *const item = api_wasi_join(name, "=", value);
    for (u32 i = 0; item && i < wasi->env.len; i++) {
        if (strncmp(wasi->env.items[i], item, name_len + 1) != 0) continue;
        gbx_base_free(wasi->env.items[i]);
        wasi->env.items[i] = item;
        return GBX_OK;
    }
    return api_wasi_append(&wasi->env, item, err);
}

/* Open the directory a grant names. The path is the host's own, not the guest's. */
static gbx_code
api_wasi_open_dir(const char *host_path, int *fd, gbx_err *err)
{
    *fd = open(host_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0) return GBX_OK;
    gbx_code const code = errno == ENOENT ? GBX_NOT_FOUND : GBX_IO;
    const char *const why = strerror(errno);
    char shown[512];
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, host_path, strlen(host_path), 400);
    return gbx_base_err_set(err, code, GBX_NO_OFFSET, "cannot grant \"%s\": %s", shown, why);
}

static gbx_code
api_wasi_check_dir(const gbx_wasi *wasi, const char *guest, gbx_err *err)
{
    for (u32 i = 0; i < wasi->dirs.len; i++) {
        if (strcmp(wasi->dirs.items[i].guest_path, guest) != 0) continue;
        char shown[512];
        text_buf t = gbx_base_text_init(shown, sizeof shown);
        gbx_base_text_escape(&t, guest, strlen(guest), 400);
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the guest directory \"%s\" is granted twice", shown);
    }
    return GBX_OK;
}

gbx_code
gbx_api_wasi_add_dir(gbx_wasi *wasi, const char *host_path, const char *guest_path, wasi_dir_grant dir,
                     gbx_err *err)
{
    char guest[PATH_MAX];
    GBX_TRY(gbx_wasi_guest_path(guest_path, guest, sizeof guest, err));
    GBX_TRY(api_wasi_check_dir(wasi, guest, err));
    if (host_path) GBX_TRY(api_wasi_open_dir(host_path, &dir.host_fd, err));
    dir.guest_path = api_wasi_join(guest, "", "");
    dir.host_path = host_path ? api_wasi_join(host_path, "", "") : NULL;
    void *items = wasi->dirs.items;
    if (!dir.guest_path || (host_path && !dir.host_path) ||
        !api_wasi_room(&items, wasi->dirs.len, &wasi->dirs.cap, sizeof(wasi_dir_grant))) {
        gbx_base_free((void *)(uintptr_t)dir.guest_path);
        gbx_base_free((void *)(uintptr_t)dir.host_path);
        api_wasi_close(dir.host_fd);
        return gbx_api_wasi_out_of_memory(err);
    }
    wasi->dirs.items = items;
    if (dir.tree) (void)gbx_wasi_tree_retain(dir.tree);
    wasi->dirs.items[wasi->dirs.len++] = dir;
    return GBX_OK;
}

gbx_code
gbx_wasi_dir(gbx_wasi *wasi, const char *host_path, const char *guest_path, gbx_access access,
             gbx_err *err)
{
    API_NEED(wasi, err);
    API_NEED(host_path, err);
    API_NEED(guest_path, err);
    if (access != GBX_READ_ONLY && access != GBX_READ_WRITE) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%d is no access", (int)access);
    }
    wasi_dir_grant const dir = {.host_fd = -1, .read_only = access == GBX_READ_ONLY};
    return gbx_api_wasi_add_dir(wasi, host_path, guest_path, dir, err);
}

gbx_code
gbx_wasi_scratch(gbx_wasi *wasi, const char *guest_path, uint64_t bytes, gbx_err *err)
{
    API_NEED(wasi, err);
    API_NEED(guest_path, err);
    if (bytes == 0 || bytes > INT64_MAX) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "a scratch directory holds at least a byte, and fewer than 2^63");
    }
    wasi_dir_grant const dir = {.host_fd = -1, .scratch_bytes = bytes};
    return gbx_api_wasi_add_dir(wasi, NULL, guest_path, dir, err);
}

/* The list owns `fd` in every case. */
static gbx_code
api_wasi_add_socket(gbx_wasi *wasi, int fd, bool shared, gbx_err *err)
{
    void *items = wasi->sockets.items;
    if (!api_wasi_room(&items, wasi->sockets.len, &wasi->sockets.cap, sizeof(wasi_socket_grant))) {
        api_wasi_close(fd);
        return gbx_api_wasi_out_of_memory(err);
    }
    wasi->sockets.items = items;
    wasi->sockets.items[wasi->sockets.len++] = (wasi_socket_grant){.host_fd = fd, .shared = shared};
    return GBX_OK;
}

gbx_code
gbx_wasi_listen(gbx_wasi *wasi, const char *address, char *bound, gbx_err *err)
{
    API_NEED(wasi, err);
    API_NEED(address, err);
    int fd;
    GBX_TRY(gbx_wasi_listen_open(address, &fd, err));
    if (bound) gbx_wasi_listen_name(fd, bound, GBX_ADDRESS_BYTES);
    return api_wasi_add_socket(wasi, fd, false, err);
}

gbx_code
gbx_wasi_socket(gbx_wasi *wasi, int host_fd, gbx_err *err)
{
    API_NEED(wasi, err);
    int const fd = fcntl(host_fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "cannot grant descriptor %d: %s", host_fd,
                                strerror(errno));
    }
    return api_wasi_add_socket(wasi, fd, true, err);
}

bool
gbx_store_accepts(const gbx_store *store)
{
    const api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    return l && gbx_wasi_accepts(l->ctx);
}

void
gbx_store_stop_accepting(gbx_store *store)
{
    api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    if (l) gbx_wasi_stop_accepting(l->ctx);
}

gbx_code
gbx_wasi_stdio(gbx_wasi *wasi, int guest_fd, int host_fd, gbx_err *err)
{
    API_NEED(wasi, err);
    if (guest_fd < 0 || guest_fd > 2) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "%d is no standard stream: 0, 1 and 2 are", guest_fd);
    }
    int const fd = fcntl(host_fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "cannot bind descriptor %d: %s", host_fd,
                                strerror(errno));
    }
    wasi_sink const sink = wasi->sinks[guest_fd]; /* counts before a descriptor: see gbx_wasi_sink */
    gbx_api_wasi_unbind(wasi, guest_fd);
    wasi->sinks[guest_fd] = sink;
    wasi->stdio[guest_fd] = fd;
    return GBX_OK;
}

gbx_code
gbx_wasi_inherit_stdio(gbx_wasi *wasi, gbx_err *err)
{
    API_NEED(wasi, err);
    for (int i = 0; i < 3; i++) {
        if (fcntl(i, F_GETFD) < 0) continue;
        GBX_TRY(gbx_wasi_stdio(wasi, i, i, err));
    }
    return GBX_OK;
}

void
gbx_wasi_special_files(gbx_wasi *wasi, bool allowed)
{
    if (wasi) wasi->allow_special = allowed;
}

void
gbx_wasi_raw_terminals(gbx_wasi *wasi, bool raw)
{
    if (wasi) wasi->raw = raw;
}

bool
gbx_store_terminal_filtered(const gbx_store *store)
{
    const api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    return l && gbx_wasi_tty_filtered(l->ctx);
}

void
gbx_wasi_broken_pipe_ends(gbx_wasi *wasi, bool ends)
{
    if (wasi) wasi->pipe_ends = ends;
}

void
gbx_wasi_clock(gbx_wasi *wasi, uint64_t (*now)(void *data, uint32_t clock_id),
               void (*sleep)(void *data, uint64_t ns), void *data)
{
    if (!wasi) return;
    wasi->clock = WASI_CLOCK_FIXED;
    wasi->clock_now = now;
    wasi->clock_sleep = now ? sleep : NULL;
    wasi->clock_data = data;
}

void
gbx_wasi_clock_real(gbx_wasi *wasi)
{
    if (!wasi) return;
    gbx_wasi_clock(wasi, NULL, NULL, NULL);
    wasi->clock = WASI_CLOCK_HOST;
}

void
gbx_wasi_random_seed(gbx_wasi *wasi, uint64_t seed)
{
    if (!wasi) return;
    gbx_wasi_random(wasi, NULL, NULL);
    wasi->is_random_seeded = true;
    wasi->random_seed = seed;
}

void
gbx_wasi_random(gbx_wasi *wasi, bool (*fill)(void *data, uint8_t *buf, size_t len), void *data)
{
    if (!wasi) return;
    wasi->is_random_seeded = false;
    wasi->random_fill = fill;
    wasi->random_data = data;
}

void
gbx_wasi_seed(gbx_wasi *wasi, uint64_t seed)
{
    if (!wasi) return;
    wasi->is_seeded = true;
    wasi->seed = seed;
}

static void
api_wasi_free_linked(void *obj)
{
    api_wasi_linked *const l = obj;
    gbx_wasi_ctx_free(l->ctx);
    gbx_base_free(l->uses);
    gbx_base_free(l);
}

static gbx_code
api_wasi_make(const gbx_wasi *w, gbx_store *store, api_wasi_linked **out, gbx_err *err)
{
    api_wasi_linked *const l = gbx_base_alloc_zero(1, sizeof *l);
    if (!l) return gbx_api_wasi_out_of_memory(err);
    const runtime_limits *const limits = gbx_runtime_store_limits(store);
    wasi_config const config = {
            .args = (const char *const *)w->args.items,
            .arg_count = w->args.len,
            .env = (const char *const *)w->env.items,
            .env_count = w->env.len,
            .sockets = w->sockets.items,
            .socket_count = w->sockets.len,
            .dirs = w->dirs.items,
            .dir_count = w->dirs.len,
            .stdio = {w->stdio[0], w->sinks[1].write ? -1 : w->stdio[1],
                      w->sinks[2].write ? -1 : w->stdio[2]},
            .clock = w->clock,
            .clock_now = w->clock_now,
            .clock_sleep = w->clock_sleep,
            .clock_data = w->clock_data,
            .random_fill = w->random_fill,
            .random_data = w->random_data,
            .random_seed = w->is_random_seeded ? &w->random_seed : NULL,
            .sinks = {w->sinks[0], w->sinks[1], w->sinks[2]},
            .streams = {w->streams[0], w->streams[1], w->streams[2]},
            .trace = w->report ? gbx_api_trace_report : NULL,
            .trace_data = l,
            .cache_dir = gbx_runtime_engine_cache_dir(gbx_runtime_store_engine(store)),
            .still = w->still,
            .seed = w->is_seeded ? &w->seed : NULL,
            .output_bytes = limits->output_bytes,
            .disk_bytes = limits->disk_bytes,
            .allow_special = w->allow_special,
            .raw = w->raw,
            .pipe_ends = w->pipe_ends,
            .notes_uses = w->notes_uses,
    };
    l->report = w->report;
    l->report_data = w->report_data;
    gbx_code code = gbx_wasi_ctx_new(&config, &l->ctx, err);
    if (w->notes_uses) l->uses = gbx_base_alloc(WASI_USES_MAX, sizeof *l->uses);
    if (code == GBX_OK && w->notes_uses && !l->uses) code = gbx_api_wasi_out_of_memory(err);
    if (code == GBX_OK && !gbx_runtime_store_own(store, l, api_wasi_free_linked)) {
        code = gbx_api_wasi_out_of_memory(err);
    }
    if (code == GBX_OK) gbx_wasi_count(l->ctx, gbx_runtime_store_wasi_figures(store));
    if (code == GBX_OK) *out = l;
    else api_wasi_free_linked(l);
    return code;
}

gbx_code
gbx_wasi_link(gbx_wasi *wasi, gbx_linker *linker, gbx_err *err)
{
    API_NEED(wasi, err);
    API_NEED(linker, err);
    gbx_store *const store = gbx_runtime_linker_store(linker);
    if (!store) {
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "the store of this linker was released");
    }
    api_wasi_linked *linked = NULL;
    gbx_code code = api_wasi_make(wasi, store, &linked, err);
    if (code == GBX_OK) code = gbx_runtime_linker_define_set(linker, &gbx_wasi_p1, linked->ctx, err);
    if (code != GBX_OK) return gbx_runtime_name_err(store, NULL, code, err);
    linked->is_again = gbx_runtime_store_wasi(store) != NULL;
    gbx_runtime_store_set_wasi(store, linked);
    gbx_runtime_linker_set_wasi(linker, linked);
    return GBX_OK;
}

size_t
gbx_store_refusals(const gbx_store *store, const gbx_refusal **out)
{
    if (out) *out = NULL;
    api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    if (!l) return 0;
    u32 count;
    const wasi_refusal *const refusals = gbx_wasi_refusals(l->ctx, &count);
    for (u32 i = 0; i < count; i++) {
        l->rows[i] = (gbx_refusal){.call = refusals[i].call,
                                   .path = refusals[i].path,
                                   .reason = refusals[i].reason,
                                   .changes = refusals[i].changes};
    }
    if (out) *out = l->rows;
    return count;
}

bool
gbx_store_waited(const gbx_store *store, const gbx_trap *trap, gbx_waited *out)
{
    static const gbx_waited all[] = {
#define WASI_WAITED(name, slug, text) {slug, text, NULL, -1, 0},
#include "wasi/waited.def"
#undef WASI_WAITED
    };
    const api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    const wasi_waited *const from = l ? gbx_wasi_waited_get(l->ctx) : NULL;
    bool const is_stop = trap && (trap->code == GBX_TRAP_DEADLINE || trap->code == GBX_TRAP_CANCELLED);
    if (!from || !out || !is_stop || from->calls != gbx_runtime_store_calls(store)) return false;
    *out = all[from->what];
    out->call = from->call;
    out->fd = from->fd;
    out->timer_ns = from->timer_ns;
    return true;
}

size_t
gbx_store_met(const gbx_store *store, const gbx_met **out)
{
    static const gbx_met all[] = {
#define WASI_MET(name, slug, option, text) {slug, text, option},
#include "wasi/met.def"
#undef WASI_MET
    };
    if (out) *out = NULL;
    api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    if (!l) return 0;
    u32 const memory = gbx_runtime_store_memory_refused(store) ? 1u << WASI_MET_MEMORY : 0;
    u32 const bits = gbx_wasi_met_bits(l->ctx) | memory;
    size_t count = 0;
    for (u32 i = 0; i < WASI_MET_COUNT; i++)
        if (bits & 1u << i) l->met[count++] = all[i];
    if (out) *out = l->met;
    return count;
}
