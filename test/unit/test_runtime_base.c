/* What runtime/ stands on in base/: the hash table, address space, events, clocks, threads. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/os_mem.h"
#include "base/os_sync.h"

typedef struct item {
    u32 key;
    map_node node;
} item;

static item *
map_get(map *m, u32 key)
{
    u64 const hash = gbx_base_map_hash(m, 0, &key, sizeof key);
    for (map_node *n = gbx_base_map_first(m, hash); n; n = gbx_base_map_next(n)) {
        item *const i = MAP_ENTRY(n, item, node);
        if (i->key == key) return i;
    }
    return NULL;
}

static void
test_map(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static item items[COUNT];
    map m = {0};
    assert_null(map_get(&m, 0));
    for (u32 i = 0; i < COUNT; i++) {
        items[i].key = i * 7919u;
        u64 const hash = gbx_base_map_hash(&m, 0, &items[i].key, sizeof(u32));
        assert_true(gbx_base_map_add(&m, &items[i].node, hash));
    }
    assert_int_equal(m.len, COUNT);
    for (u32 i = 0; i < COUNT; i++) assert_ptr_equal(map_get(&m, i * 7919u), &items[i]);
    assert_null(map_get(&m, 1));
    for (u32 i = 0; i < COUNT; i += 2) gbx_base_map_remove(&m, &items[i].node);
    for (u32 i = 0; i < COUNT; i++) {
        assert_ptr_equal(map_get(&m, i * 7919u), i % 2 ? &items[i] : NULL);
    }
    size_t popped = 0;
    while (gbx_base_map_pop(&m)) popped++;
    assert_int_equal(popped, COUNT / 2);
    assert_null(m.buckets);
}

/* Equal hashes do not make equal keys: the chain is walked. */
static void
test_map_collisions(void **state)
{
    (void)state;
    item a = {.key = 1}, b = {.key = 2}, c = {.key = 3};
    map m = {0};
    assert_true(gbx_base_map_add(&m, &a.node, 42));
    assert_true(gbx_base_map_add(&m, &b.node, 42));
    assert_true(gbx_base_map_add(&m, &c.node, 42 + 16)); /* the same bucket, another hash */
    unsigned seen = 0;
    for (map_node *n = gbx_base_map_first(&m, 42); n; n = gbx_base_map_next(n)) {
        seen |= 1u << MAP_ENTRY(n, item, node)->key;
    }
    assert_int_equal(seen, 1u << 1 | 1u << 2);
    while (gbx_base_map_pop(&m)) {}
}

/* Short memory: the first add says so, later ones make longer chains. */
static void
test_map_faults(void **state)
{
    (void)state;
    static item items[100];
    map m = {0};
    gbx_base_fault_arm(1);
    assert_false(gbx_base_map_add(&m, &items[0].node, 0));
    gbx_base_fault_arm(2);
    for (u32 i = 0; i < GBX_LEN(items); i++) {
        items[i].key = i;
        u64 const hash = gbx_base_map_hash(&m, 0, &i, sizeof i);
        assert_true(gbx_base_map_add(&m, &items[i].node, hash));
    }
    gbx_base_fault_arm(0);
    for (u32 i = 0; i < GBX_LEN(items); i++) assert_ptr_equal(map_get(&m, i), &items[i]);
    while (gbx_base_map_pop(&m)) {}
}

/* Pieces are told apart: "ab","c" is not "a","bc". And two maps do not share a seed. */
static void
test_map_hash(void **state)
{
    (void)state;
    map m = {0}, other = {0};
    u64 const ab_c = gbx_base_map_hash(&m, gbx_base_map_hash(&m, 0, "ab", 2), "c", 1);
    u64 const a_bc = gbx_base_map_hash(&m, gbx_base_map_hash(&m, 0, "a", 1), "bc", 2);
    assert_int_not_equal(ab_c, a_bc);
    assert_int_equal(gbx_base_map_hash(&m, 0, "12345678x", 9), gbx_base_map_hash(&m, 0, "12345678x", 9));
    assert_int_not_equal(gbx_base_map_hash(&m, 0, "k", 1), gbx_base_map_hash(&other, 0, "k", 1));
}

/* True when the byte can be read: asked of the kernel, so that nothing faults. */
static bool
is_readable(const void *p)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    ssize_t const n = write(fds[1], p, 1);
    bool const ok = n == 1;
    if (!ok) assert_int_equal(errno, EFAULT);
    close(fds[0]);
    close(fds[1]);
    return ok;
}

static void
test_os_mem(void **state)
{
    (void)state;
    size_t const page = gbx_base_os_page_bytes();
    u8 *const p = gbx_base_os_reserve(4 * page);
    assert_non_null(p);
    assert_false(is_readable(p));
    assert_true(gbx_base_os_commit(p + page, 2 * page));
    assert_false(is_readable(p + page - 1));
    assert_true(is_readable(p + page));
    assert_true(is_readable(p + 3 * page - 1));
    assert_false(is_readable(p + 3 * page));
    memset(p + page, 0xaa, 2 * page);
    gbx_base_os_discard(p + page, page);
    assert_int_equal(p[page], 0);
    assert_int_equal(p[2 * page - 1], 0);
    assert_int_equal(p[2 * page], 0xaa);
    gbx_base_os_unmap(p, 4 * page);
    assert_false(is_readable(p + page));

    gbx_base_fault_arm(1);
    assert_null(gbx_base_os_reserve(page));
    gbx_base_fault_arm(0);
    assert_null(gbx_base_os_reserve((size_t)1 << 60));
}

static bool
is_set(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void
test_event(void **state)
{
    (void)state;
    int const fd = gbx_base_os_event_open();
    assert_true(fd >= 0);
    assert_false(is_set(fd));
    errno = 77;
    gbx_base_os_event_set(fd);
    gbx_base_os_event_set(fd);
    assert_true(is_set(fd));
    gbx_base_os_event_clear(fd);
    assert_false(is_set(fd));
    gbx_base_os_event_clear(fd); /* clear as it is: neither blocks nor fails */
    assert_int_equal(errno, 77);
    gbx_base_os_event_set(-1);
    gbx_base_os_event_clear(-1);
    gbx_base_os_event_close(fd);
}

static void
test_cond(void **state)
{
    (void)state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake;
    gbx_base_os_cond_init(&wake);
    pthread_mutex_lock(&lock);
    u64 const until = gbx_base_os_now_ns() + 5000000;
    while (gbx_base_os_now_ns() < until) gbx_base_os_cond_wait_until(&wake, &lock, until);
    gbx_base_os_cond_wait_until(&wake, &lock, 0); /* long past: returns at once */
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&wake);
}

static void *
thread_mask(void *data)
{
    pthread_sigmask(SIG_SETMASK, NULL, data);
    return NULL;
}

/* Signals of the host's stay on the host's threads, and its own mask is what it was. */
static void
test_thread(void **state)
{
    (void)state;
    sigset_t before, after, inside;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    pthread_t t;
    assert_true(gbx_base_os_thread_start(&t, thread_mask, &inside));
    pthread_join(t, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    int const signals[] = {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1, SIGPROF};
    for (size_t i = 0; i < GBX_LEN(signals); i++) {
        assert_true(sigismember(&inside, signals[i]));
        assert_int_equal(sigismember(&after, signals[i]), sigismember(&before, signals[i]));
    }
    gbx_base_fault_arm(1);
    assert_false(gbx_base_os_thread_start(&t, thread_mask, &inside));
    gbx_base_fault_arm(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_map),        cmocka_unit_test(test_map_collisions),
            cmocka_unit_test(test_map_faults), cmocka_unit_test(test_map_hash),
            cmocka_unit_test(test_os_mem),     cmocka_unit_test(test_event),
            cmocka_unit_test(test_cond),       cmocka_unit_test(test_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
