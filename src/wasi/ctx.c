/* The context: what a guest was given, turned into descriptors 0, 1, 2, 3, … before it runs.
 *
 * Everything is duplicated or opened anew here, above the host's own standard streams and closed on
 * exec; the embedder keeps what it passed in. */
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "base/os_scratch.h"
#include "base/os_sync.h"

/* ---- guest names of directories */

/* Append one component to the clean path out[0..*len); false where it climbs above the root or does not
 * fit with its NUL. The root is "" while building. */
static bool
ctx_path_add(char *out, size_t cap, size_t *len, const char *name, size_t name_len)
{
    if (!name_len || (name_len == 1 && name[0] == '.')) return true;
    if (name_len == 2 && name[0] == '.' && name[1] == '.') {
        if (!*len) return false;
        while (out[--*len] != '/') {}
        return true;
    }
    if (*len + 1 + name_len >= cap) return false;
    out[(*len)++] = '/';
    memcpy(out + *len, name, name_len);
    *len += name_len;
    return true;
}

/* GO: syscall/fs_wasip1.go preparePath (1.26) compares absolute paths with the names of preopens, so a
 * relative name, "." most of all, would never match. */
gbx_code
gbx_wasi_guest_path(const char *given, char *out, size_t cap, gbx_err *err)
{
    size_t len = 0;
    if (cap < 2 || !given[0])
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the guest's name of a directory is empty");
    for (const char *p = given; *p; p++)
        if ((u8)*p < 0x20 || *p == 0x7f)
            return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                    "the guest's name of a directory has a control character in it");
    for (const char *p = given; *p;) {
        size_t const n = strcspn(p, "/");
        if (!ctx_path_add(out, cap, &len, p, n))
            return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                    "the guest's name of a directory is too long or leads above the root");
        p += n;
        while (*p == '/') p++;
    }
    if (!len) out[len++] = '/';
    out[len] = 0;
    return GBX_OK;
}

/* ---- building */

static gbx_code
ctx_no_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for the guest's grants");
}

static gbx_code
ctx_strings(wasi_strings *s, const char *const *list, u32 count, const char *what, gbx_err *err)
{
    u64 bytes = 0;
    for (u32 i = 0; i < count; i++) bytes += strlen(list[i]) + 1;
    if (bytes > UINT32_MAX)
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "the %s take 4 GiB or more", what);
    s->data = gbx_base_alloc(bytes, 1);
    if (!s->data) return ctx_no_memory(err);
    char *at = s->data;
    for (u32 i = 0; i < count; i++) {
        size_t const len = strlen(list[i]) + 1;
        memcpy(at, list[i], len);
        at += len;
    }
    s->bytes = (u32)bytes;
    s->count = count;
    return GBX_OK;
}

static gbx_code
ctx_add(wasi_ctx *w, const wasi_file *f, gbx_err *err)
{
    u32 fd;
    wasi_errno const e = gbx_wasi_fds_reserve(&w->fds, &fd);
    if (!e) {
        gbx_wasi_fds_put(&w->fds, fd, f);
        w->fds.files[fd].granted = ++w->granted;
        return GBX_OK;
    }
    if (f->host >= 0) close(f->host);
    if (e == WASI_NOMEM) return ctx_no_memory(err);
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "a guest can hold %d descriptors, not more",
                            WASI_MAX_FDS);
}

/* Reading from 0, writing to 1 and 2: with `prog < file` on a terminal, descriptor 1 must not read what
 * is typed. A socket goes both ways, as inetd hands it over. A directory gives no access to itself. */
static u64
ctx_stdio_rights(u32 guest_fd, const wasi_file *f, int host_flags)
{
    bool const terminal = f->type == TYPE_CHARACTER_DEVICE && isatty(f->host);
    u64 rights = gbx_wasi_rights_of(f->type, terminal);
    int const access = host_flags & O_ACCMODE;
    bool const both = f->type == TYPE_SOCKET_STREAM || f->type == TYPE_SOCKET_DGRAM;
    if (f->type == TYPE_DIRECTORY) return RIGHT_FD_FILESTAT_GET | RIGHT_FD_FDSTAT_SET_FLAGS;
    if (access == O_WRONLY || (guest_fd != 0 && !both)) rights &= ~RIGHT_FD_READ;
    if (access == O_RDONLY || (guest_fd == 0 && !both))
        rights &= ~(RIGHT_FD_WRITE | RIGHT_FD_ALLOCATE | RIGHT_FD_FILESTAT_SET_SIZE |
                    RIGHT_FD_FILESTAT_SET_TIMES);
    return rights;
}

static gbx_code
ctx_stdio(wasi_ctx *w, u32 guest_fd, int host_fd, gbx_err *err)
{
    wasi_file f = {.kind = KIND_NULL, .host = -1, .type = TYPE_CHARACTER_DEVICE, .inherited = true};
    f.rights = gbx_wasi_rights_of(f.type, false) & (guest_fd ? ~RIGHT_FD_READ : ~RIGHT_FD_WRITE);
    f.sink = w->sinks[guest_fd].write ? &w->sinks[guest_fd] : NULL;
    wasi_stream *const s = &w->streams[guest_fd];
    if (host_fd < 0 && (s->blob || s->most || s->read || s->write)) {
        f.kind = KIND_STREAM;
        f.type = TYPE_UNKNOWN; /* as a pipe */
        f.stream = s;
        f.rights = gbx_wasi_rights_of(f.type, false) & (guest_fd ? ~RIGHT_FD_READ : ~RIGHT_FD_WRITE);
    }
    if (host_fd < 0) return ctx_add(w, &f, err);
    f.sink = NULL;
    struct stat st;
    int const host_flags = fcntl(host_fd, F_GETFL);
    f.kind = KIND_HOST;
    f.host = fcntl(host_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (f.host < 0 || host_flags < 0 || fstat(f.host, &st)) {
        int const e = errno;
        if (f.host >= 0) close(f.host);
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "standard stream %u cannot be used: %s",
                                guest_fd, strerror(e));
    }
    f.type = gbx_wasi_type_of_host(f.host, st.st_mode);
    f.rights = ctx_stdio_rights(guest_fd, &f, host_flags);
    if (S_ISSOCK(st.st_mode)) f.inheriting = f.rights & ~RIGHT_SOCK_ACCEPT;
    f.terminal = f.type == TYPE_CHARACTER_DEVICE && isatty(f.host);
    f.flags = host_flags & O_APPEND ? FDFLAG_APPEND : 0;
    return ctx_add(w, &f, err);
}

/* Made anew for each context, so that there is nothing in it: none is ever used again. */
static gbx_code
ctx_scratch(wasi_ctx *w, const wasi_dir_grant *d, int *from, gbx_err *err)
{
    *from = gbx_base_os_scratch(d->scratch_bytes, WASI_SCRATCH_FILES(d->scratch_bytes));
    if (*from < 0)
        return gbx_base_err_set(err, GBX_UNSUPPORTED, GBX_NO_OFFSET,
                                "no scratch directory for %s: this system does not let us make a "
                                "file system (Linux 5.2, and the right to mount, or user namespaces): %s",
                                d->guest_path, strerror(errno));
    w->scratches[w->scratch_count++] = *from;
    return gbx_wasi_seeded_hide(w, err);
}

static gbx_code
ctx_socket_refused(u32 guest_fd, const char *why, gbx_err *err)
{
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "the socket granted as descriptor %u %s",
                            guest_fd, why);
}

/* What the host's descriptor is. Streams and datagrams only: preview 1 has no calls for the rest. */
static gbx_code
ctx_socket_look(wasi_file *f, u32 guest_fd, gbx_err *err)
{
    struct stat st;
    int kind = 0, listens = 0;
    socklen_t len = sizeof kind;
    if (fstat(f->host, &st) || !S_ISSOCK(st.st_mode))
        return ctx_socket_refused(guest_fd, "is no socket", err);
    if (getsockopt(f->host, SOL_SOCKET, SO_TYPE, &kind, &len) || (kind != SOCK_STREAM && kind != SOCK_DGRAM))
        return ctx_socket_refused(guest_fd, "is one of neither streams nor datagrams", err);
    len = sizeof listens;
    f->type = kind == SOCK_DGRAM ? TYPE_SOCKET_DGRAM : TYPE_SOCKET_STREAM;
    f->listens = !getsockopt(f->host, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) && listens;
    f->rights = gbx_wasi_rights_of(f->type, false);
    f->inheriting = f->rights & ~RIGHT_SOCK_ACCEPT;
    if (!f->listens) f->rights &= ~RIGHT_SOCK_ACCEPT;
    return GBX_OK;
}

/* NONBLOCK is what the guest finds: GO: net/file_wasip1.go fileListener (1.26) does not set it, and a
 * program whose listener blocks stands still. The host's listener has to have it too, even where it is
 * shared: accept(2) has no other way not to wait, and every program that takes over such sockets sets it. */
static gbx_code
ctx_socket(wasi_ctx *w, const wasi_socket_grant *s, gbx_err *err)
{
    wasi_file f = {.kind = KIND_HOST, .flags = FDFLAG_NONBLOCK, .shared = s->shared};
    f.host = fcntl(s->host_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (f.host < 0)
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET,
                                "the socket granted as descriptor %u cannot be used: %s", w->granted,
                                strerror(errno));
    gbx_code code = ctx_socket_look(&f, w->granted, err);
    int const flags = fcntl(f.host, F_GETFL);
    if (code == GBX_OK && f.listens && !(flags & O_NONBLOCK) && fcntl(f.host, F_SETFL, flags | O_NONBLOCK))
        code = gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "a socket cannot be made non-blocking: %s",
                                strerror(errno));
    if (code == GBX_OK) return ctx_add(w, &f, err);
    close(f.host);
    return code;
}

static gbx_code
ctx_sockets(wasi_ctx *w, const wasi_config *config, gbx_err *err)
{
    if (!config->socket_count) return GBX_OK;
    w->end_fd = gbx_base_os_event_open();
    if (w->end_fd < 0)
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "no descriptor is left: %s", strerror(errno));
    for (u32 i = 0; i < config->socket_count; i++) GBX_TRY(ctx_socket(w, &config->sockets[i], err));
    return GBX_OK;
}

/* The name of a granted directory, which the context has from now on; NULL: memory is short. */
static char *
ctx_preopen(wasi_ctx *w, const wasi_dir_grant *d, const struct stat *st)
{
    const char *const host = d->host_path ? d->host_path : "";
    size_t const len = strlen(d->guest_path) + 1, host_len = strlen(host) + 1;
    char *const name = gbx_base_alloc(len + host_len, 1);
    if (!name) return NULL;
    memcpy(name, d->guest_path, len);
    memcpy(name + len, host, host_len);
    w->preopens[w->preopen_count++] = (wasi_preopen){.name = name,
                                                     .dev = st->st_dev,
                                                     .ino = st->st_ino,
                                                     .read_only = d->read_only,
                                                     .scratch_bytes = d->scratch_bytes,
                                                     .host_path = name + len};
    return name;
}

static gbx_code
ctx_tree(wasi_ctx *w, const wasi_dir_grant *d, gbx_err *err)
{
    struct stat const none = {0};
    char *const name = ctx_preopen(w, d, &none);
    if (!name) return ctx_no_memory(err);
    wasi_preopen *const p = &w->preopens[w->preopen_count - 1];
    p->tree = gbx_wasi_tree_retain(d->tree);
    p->read_only = true;
    u64 const rights = gbx_wasi_rights_of(TYPE_DIRECTORY, false);
    wasi_file const f = {.kind = KIND_NODE,
                         .host = -1,
                         .type = TYPE_DIRECTORY,
                         .node = gbx_wasi_tree_root(p->tree),
                         .read_only = true,
                         .place = gbx_wasi_place_of(PLACE_ROOT, name),
                         .rights = rights,
                         .inheriting = rights | gbx_wasi_rights_of(TYPE_REGULAR_FILE, false),
                         .preopen = name};
    return ctx_add(w, &f, err);
}

/* The grant's descriptor is O_PATH and may be shared; a description of our own can be listed as well.
 * Where that is not permitted the grant is for look-ups only, as it is natively. */
static gbx_code
ctx_dir(wasi_ctx *w, const wasi_dir_grant *d, gbx_err *err)
{
    struct stat st;
    int from = d->host_fd;
    if (d->tree) return ctx_tree(w, d, err);
    if (d->scratch_bytes) GBX_TRY(ctx_scratch(w, d, &from, err));
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) fd = openat(from, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = gbx_base_os_fd_above_stdio(fd);
    if (fd < 0 || fstat(fd, &st)) {
        int const e = errno;
        if (fd >= 0) close(fd);
        return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "the directory granted as %s cannot be used: %s",
                                d->guest_path, strerror(e));
    }
    if (gbx_wasi_policy_cache(&st)) {
        close(fd);
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the directory granted as %s is a code cache, which is the host's alone",
                                d->guest_path);
    }
    if (!gbx_wasi_policy_fs(w, fd)) {
        close(fd);
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the directory granted as %s is an interface of the kernel, not files",
                                d->guest_path);
    }
    char *const name = ctx_preopen(w, d, &st);
    if (!name) {
        close(fd);
        return ctx_no_memory(err);
    }
    u64 const rights = gbx_wasi_rights_of(TYPE_DIRECTORY, false);
    wasi_file const f = {.kind = KIND_HOST,
                         .host = fd,
                         .type = TYPE_DIRECTORY,
                         .read_only = d->read_only,
                         .scratch = d->scratch_bytes != 0,
                         .devices = !d->scratch_bytes && gbx_wasi_may_hold_devices(fd),
                         .place = gbx_wasi_place_of(PLACE_ROOT, name),
                         .rights = rights,
                         .inheriting = rights | gbx_wasi_rights_of(TYPE_REGULAR_FILE, false),
                         .preopen = name};
    return ctx_add(w, &f, err);
}

/* The read-only grant `p` is what the guest finds below `dir` under the rest of its name, too. */
static bool
ctx_stands_in(wasi_ctx *w, const wasi_file *dir, const char *rest, const wasi_preopen *p)
{
    wasi_look const look = {.base = dir->host, .follow = true, .flags = O_PATH | O_DIRECTORY};
    wasi_found found;
    if (gbx_wasi_path_find(w, &look, rest, &found)) return false;
    close(found.fd);
    return found.st.st_dev == p->dev && found.st.st_ino == p->ino;
}

/* A grant for writing keeps out of read-only ones that stand in it, as one file system does of another
 * that is mounted there: from now on by what they are, whatever name leads to them. */
static void
ctx_nest(wasi_ctx *w, u32 first_fd)
{
    for (u32 i = 0; i < w->preopen_count; i++) {
        wasi_file *const dir = &w->fds.files[first_fd + i];
        const char *const name = w->preopens[i].name;
        size_t const len = name[1] ? strlen(name) : 0;
        if (dir->kind != KIND_HOST) continue;
        for (u32 k = 0; k < w->preopen_count; k++) {
            wasi_preopen *const p = &w->preopens[k];
            bool const below = !strncmp(p->name, name, len) && p->name[len] == '/' && p->name[len + 1];
            if (!p->read_only || !below || p->tree) continue;
            if (!ctx_stands_in(w, dir, p->name + len + 1, p)) continue;
            p->within = true;
            dir->holds_read_only = true;
        }
    }
    w->refusal_count = 0; /* nothing of this was asked for by the guest */
}

/* The kernel has openat2 and nothing forbids it to us. */
static bool
ctx_has_openat2(void)
{
    int const fd = gbx_base_os_openat2(AT_FDCWD, ".", O_PATH | O_CLOEXEC, 0, RESOLVE_BENEATH);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void
ctx_clock(wasi_ctx *w, const wasi_config *config)
{
    bool const by_seed = config->seed && config->clock != WASI_CLOCK_HOST;
    if (config->clock_now) {
        w->clock_now = config->clock_now;
        w->clock_sleep = config->clock_sleep;
        w->clock_data = config->clock_data;
    } else if (by_seed || config->clock == WASI_CLOCK_FIXED) {
        gbx_wasi_clock_fix(w, !by_seed);
    }
}

static gbx_code
ctx_fill(wasi_ctx *w, const wasi_config *config, gbx_err *err)
{
    ctx_clock(w, config);
    w->random_fill = config->random_fill;
    w->random_data = config->random_data;
    if (config->random_seed) gbx_wasi_random_fix(w, *config->random_seed);
    w->still = config->still;
    w->output_left = config->output_bytes ? config->output_bytes : UINT64_MAX;
    w->disk_left = config->disk_bytes ? config->disk_bytes : UINT64_MAX;
    w->special = config->allow_special;
    w->raw = config->raw;
    w->pipe_ends = config->pipe_ends;
    w->cache_dir = config->cache_dir ? *config->cache_dir : -1;
    memcpy(w->sinks, config->sinks, sizeof w->sinks);
    for (u32 i = 0; i < 3; i++) gbx_wasi_stream_begin(&w->streams[i], &config->streams[i]);
    if (config->seed) GBX_TRY(gbx_wasi_seeded_new(w, *config->seed, err));
    if (config->trace) GBX_TRY(gbx_wasi_trace_new(w, config->trace, config->trace_data, err));
    /* Without a directory no path is ever looked up. */
    w->walker = config->force_walker || (config->dir_count && !ctx_has_openat2());
    w->quiet = !gbx_base_os_signals_ignored();
    GBX_TRY(ctx_strings(&w->args, config->args, config->arg_count, "arguments", err));
    GBX_TRY(ctx_strings(&w->env, config->env, config->env_count, "variables", err));
    for (u32 i = 0; i < 3; i++) GBX_TRY(ctx_stdio(w, i, config->stdio[i], err));
    GBX_TRY(ctx_sockets(w, config, err));
    w->preopens = gbx_base_alloc_zero(config->dir_count, sizeof *w->preopens);
    w->scratches = gbx_base_alloc_zero(config->dir_count, sizeof *w->scratches);
    if (!w->preopens || !w->scratches) return ctx_no_memory(err);
    u32 const first_fd = w->granted;
    for (u32 i = 0; i < config->dir_count; i++) GBX_TRY(ctx_dir(w, &config->dirs[i], err));
    ctx_nest(w, first_fd);
    if (config->notes_uses) GBX_TRY(gbx_wasi_used_new(w, err));
    gbx_wasi_ctx_mark(w);
    return GBX_OK;
}

gbx_code
gbx_wasi_ctx_new(const wasi_config *config, wasi_ctx **out, gbx_err *err)
{
    *out = NULL;
    wasi_ctx *const w = gbx_base_alloc_zero(1, sizeof *w);
    if (!w) return ctx_no_memory(err);
    w->end_fd = -1;
    gbx_code const code = ctx_fill(w, config, err);
    if (code)
        gbx_wasi_ctx_free(w);
    else
        *out = w;
    return code;
}

/* Colours that a guest leaves behind would be the next program's, the invisible one too. */
void
gbx_wasi_ctx_reset_colours(wasi_ctx *w)
{
    for (u32 fd = 0; w->tty.coloured && fd < w->fds.len; fd++) {
        struct pollfd p = {.fd = w->fds.files[fd].host, .events = POLLOUT};
        if (!w->fds.files[fd].terminal || poll(&p, 1, 0) != 1) continue;
        ssize_t const n = write(p.fd, "\x1b[0m", 4);
        w->tty.coloured = n < 0;
    }
}

void
gbx_wasi_count(wasi_ctx *w, wasi_figures *figures)
{
    w->figures = figures;
}

void
gbx_wasi_moved(const wasi_ctx *w, bool is_file, bool is_read, u64 bytes)
{
    wasi_figures *const n = w->figures;
    if (!n) return;
    figure_add(is_file ? is_read ? &n->file_read_bytes : &n->file_written_bytes
                       : is_read ? &n->stream_read_bytes : &n->stream_written_bytes,
               bytes);
}

void
gbx_wasi_ctx_free(wasi_ctx *w)
{
    if (!w) return;
    gbx_wasi_ctx_reset_colours(w);
    gbx_wasi_fds_deinit(&w->fds);
    gbx_base_os_event_close(w->end_fd);
    for (u32 i = 0; i < w->preopen_count; i++) {
        gbx_wasi_tree_release(w->preopens[i].tree);
        gbx_base_free(w->preopens[i].name);
    }
    for (u32 i = 0; i < 3; i++) gbx_wasi_stream_deinit(&w->streams[i]);
    gbx_base_free(w->preopens);
    for (u32 i = 0; i < w->scratch_count; i++) close(w->scratches[i]);
    gbx_base_free(w->scratches);
    gbx_wasi_seeded_free(w->seeded);
    gbx_wasi_seeded_free(w->hidden);
    gbx_base_free(w->args.data);
    gbx_base_free(w->env.data);
    gbx_base_free(w->trace);
    gbx_wasi_used_free(w->used);
    gbx_base_free(w);
}

/* The flag first: whoever is woken finds it. */
void
gbx_wasi_stop_accepting(wasi_ctx *w)
{
    atomic_store(&w->ending, true);
    gbx_base_os_event_set(w->end_fd);
}
