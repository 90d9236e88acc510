/* Helpers for host functions: a guest's memory through views, buffers with their length in front, memory that
 * the guest's own allocator gives, and files by names that a guest chose.
 *
 * Guests pass any number as pointer or length: every function here looks before it touches. Those that give a
 * gbx_trap_code say GBX_TRAP_NONE, or what the host function may return as it is, with a message that is set
 * (gbx_caller_set_message). They are used by the store's thread, during the call. */
#ifndef GBX_GUEST_H
#define GBX_GUEST_H

#include "gbx/host.h"

GBX_DECLS_BEGIN

/* ---- Views: bytes of the guest's memory in place
 *
 * A view is a handle: a number with bounds, good from gbx_view_open until gbx_view_close, or until the host
 * function that opened it returns; a zeroed one, and one that is over, gives nothing. While guest code runs
 * that the host function called, it gives nothing either, and goes on afterwards.
 *
 * In an engine that is `checked` (gbx_engine_opts) the bytes behind a view are a copy in pages of its own,
 * which are written back and taken away when guest code runs and when the view is over: a pointer that was
 * kept faults at once, at the instruction that uses it, and one that goes far beyond the end does, too. What
 * guests and hosts see is the same in both, but for hosts that keep pointers. */
typedef struct gbx_view {
    struct gbx_views *of;
    uint32_t idx, generation;
} gbx_view;

/* View the calling instance's bytes [addr, addr + len). GBX_TRAP_MEM_OOB: they are not all in its memory, or
 * it has none; GBX_TRAP_NO_HOST_MEMORY. On failure *out is zeroed. */
GBX_API gbx_trap_code gbx_view_open(gbx_caller *caller, uint64_t addr, uint64_t len, gbx_view *out);
/* Copy out of the view or into it. False, and nothing is copied, where [offset, offset + len) is not inside
 * it, or where it gives nothing. */
GBX_API bool gbx_view_read(gbx_view view, uint64_t offset, void *buf, size_t len);
GBX_API bool gbx_view_write(gbx_view view, uint64_t offset, const void *data, size_t len);
/* Its bytes and their number, borrowed until guest code runs or the view is over; NULL and 0 where it gives
 * nothing. The guest may have changed them the next time: check a copy, not the place. */
GBX_API uint8_t *gbx_view_data(gbx_view view, size_t *len);
GBX_API void gbx_view_close(gbx_view view);

/* ---- Buffers with their length in front: a little-endian u32, and so many bytes */

/* The buffer at `addr`: where its bytes are, and how many, all of them in the calling instance's memory.
 * GBX_TRAP_MEM_OOB, also where there are more than `most`. */
GBX_API gbx_trap_code gbx_caller_prefixed(gbx_caller *caller, uint64_t addr, uint32_t most,
                                          uint64_t *data_addr, uint32_t *len);
/* Write one to `addr`, where there is room for `room` bytes with the length. GBX_TRAP_MEM_OOB: the room is
 * not all in the memory, or too small; then nothing is written. */
GBX_API gbx_trap_code gbx_caller_write_prefixed(gbx_caller *caller, uint64_t addr, uint64_t room,
                                                const void *data, size_t len);

/* ---- Memory from the guest's allocator */

/* `len` bytes from the calling instance's export `name`, a function of i32 or i64 (the size) that gives the
 * same type (an address). The guest runs: it may grow its memory, call host functions, trap; that trap is the
 * answer. GBX_TRAP_HOST: there is no such function, or it gave 0 for a size that is not 0. GBX_TRAP_MEM_OOB:
 * what it gave is not all in its memory, as it is afterwards. */
GBX_API gbx_trap_code gbx_caller_alloc(gbx_caller *caller, const char *name, uint64_t len, uint64_t *addr);
/* The same where the host is not in a host function; *trap as gbx_func_call has it. */
GBX_API gbx_trap_code gbx_instance_alloc(gbx_instance *instance, const char *name, uint64_t len,
                                         uint64_t *addr, gbx_trap *trap);

/* ---- Files by names that a guest chose
 *
 * There is one way only: beneath a directory that the host named. Whatever the name says, with "..", links,
 * and others that rename meanwhile, nothing outside is opened or made. What is no file but looks like one
 * (interfaces of the kernel, devices) is refused, and so is the directory of a code cache. */
typedef struct gbx_dir gbx_dir;

/* Open the directory. The caller owns *out; one thread at a time. GBX_NOT_FOUND, GBX_IO, GBX_NO_MEMORY,
 * GBX_ARGUMENT. */
GBX_API gbx_code gbx_dir_open(const char *host_path, gbx_own gbx_dir **out, gbx_err *err);
GBX_API void gbx_dir_close(gbx_dir *dir); /* NULL is fine */

enum {
    GBX_OPEN_READ = 1 << 0,
    GBX_OPEN_WRITE = 1 << 1,
    GBX_OPEN_APPEND = 1 << 2,
    GBX_OPEN_CREATE = 1 << 3,    /* with GBX_OPEN_WRITE; mode 0666 and the umask */
    GBX_OPEN_EXCLUSIVE = 1 << 4, /* with GBX_OPEN_CREATE: it must be new */
    GBX_OPEN_TRUNCATE = 1 << 5,  /* with GBX_OPEN_WRITE */
    GBX_OPEN_DIRECTORY = 1 << 6, /* with GBX_OPEN_READ alone */
};

/* Open the file or directory `path` (`len` bytes, relative, UTF-8 without NUL, at most 4,095) beneath `dir`.
 * *fd, close-on-exec, is the caller's; -1 on failure: GBX_NOT_FOUND; GBX_DENIED: the path leads out of the
 * directory, or to what is refused; GBX_IO: the system does not let us; GBX_ARGUMENT: flags that mean
 * nothing, or a path of another form. One thread at a time for each directory. */
GBX_API gbx_code gbx_dir_find(gbx_dir *dir, const char *path, size_t len, uint32_t flags, int *fd,
                              gbx_err *err);

GBX_DECLS_END

#endif
