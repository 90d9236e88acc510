/* What perf and gdb are told of compiled code. Run with an argument, this program is what a debugger is
 * attached to: it stops inside code that was made a moment ago. */
#include <elf.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "runtime/code.h"
#include "runtime/symbols.h"

static const char *self;

/* Output of a program, in buf; its exit status, or -1 where it could not be run. */
static int
output_of(char *const argv[], char *buf, size_t cap)
{
    char path[] = "/tmp/gbx-symbols-XXXXXX";
    int const fd = mkstemp(path);
    assert_true(fd >= 0);
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, fd, 1);
    (void)posix_spawn_file_actions_adddup2(&actions, fd, 2);
    extern char **environ;
    pid_t pid;
    int status = -1;
    if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0)
        assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)posix_spawn_file_actions_destroy(&actions);
    ssize_t const n = pread(fd, buf, cap - 1, 0);
    buf[n > 0 ? n : 0] = 0;
    (void)close(fd);
    (void)unlink(path);
    return status;
}

static const code_symbol two[] = {{0x7f0000001000, 0x40, "main.main"},
                                  {0x7f0000001040, 0x123, "evil\nname\x1b[m"}};

static void
test_perf(void **state)
{
    (void)state;
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    (void)unlink(path);
    perf_map p;
    gbx_err err;
    assert_int_equal(gbx_runtime_perf_open(&p, &err), GBX_OK);
    gbx_runtime_perf_add(&p, two, 2);
    gbx_runtime_perf_close(&p);
    assert_int_equal(gbx_runtime_perf_open(&p, &err), GBX_OK); /* what is there stays */
    gbx_runtime_perf_add(&p, two, 1);
    gbx_runtime_perf_close(&p);
    gbx_runtime_perf_close(&p);
    char text[512];
    FILE *const f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    (void)fclose(f);
    assert_string_equal(text, "7f0000001000 40 main.main\n7f0000001040 123 evil?name?[m\n"
                              "7f0000001000 40 main.main\n");

    /* What somebody else put there is not written to. */
    (void)unlink(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(gbx_runtime_perf_open(&p, &err), GBX_IO);
    (void)unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(gbx_runtime_perf_open(&p, &err), GBX_IO);
    (void)unlink(path);
}

static void
test_object(void **state)
{
    (void)state;
    gbx_base_fault_arm(1);
    assert_null(gbx_runtime_gdb_add(two, 2));
    gbx_base_fault_arm(0);
    gdb_code *const g = gbx_runtime_gdb_add(two, 2);
    assert_non_null(g);
    size_t bytes;
    const u8 *const object = gbx_runtime_gdb_object(g, &bytes);
    char path[] = "/tmp/gbx-object-XXXXXX", text[8192];
    int const fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, object, bytes), bytes);
    (void)close(fd);
    char *const argv[] = {(char *)(uintptr_t)"readelf", (char *)(uintptr_t)"-aW", path, NULL};
    int const status = output_of(argv, text, sizeof text);
    (void)unlink(path);
    Elf64_Ehdr head;
    memcpy(&head, object, sizeof head);
    assert_memory_equal(head.e_ident, ELFMAG, SELFMAG);
    assert_true(head.e_shoff + head.e_shnum * sizeof(Elf64_Shdr) == bytes);
    if (status == 0) {
        assert_non_null(strstr(text, "00007f0000001000    64 FUNC    GLOBAL DEFAULT    1 main.main"));
        assert_non_null(strstr(text, "00007f0000001040   291 FUNC    GLOBAL DEFAULT    1 evil?name?[m"));
        assert_null(strstr(text, "arning"));
        assert_null(strstr(text, "rror"));
    }
    gdb_code *const h = gbx_runtime_gdb_add(two, 1), *const i = gbx_runtime_gdb_add(two, 1);
    gbx_runtime_gdb_remove(h);
    gbx_runtime_gdb_remove(g);
    gbx_runtime_gdb_remove(i);
    gbx_runtime_gdb_remove(NULL);
}

static void
test_debugger(void **state)
{
    (void)state;
    char text[16384];
    const char *const argv[] = {"gdb",   "-nx", "-batch", "-ex",    "run", "-ex", "info symbol $pc",
                                "-ex",   "bt 1", "--args", self, "stop", NULL};
    int const status = output_of((char *const *)(uintptr_t)argv, text, sizeof text);
    if (status == -1 || strstr(text, "ptrace") || strstr(text, "not permitted")) skip();
    if (!strstr(text, "made_by_hand + 1 in section .text") || !strstr(text, "in made_by_hand"))
        fail_msg("gdb said: %s", text);
}

/* The program in the debugger. */
static int
stop_inside(void)
{
    code_region r;
    code_space s;
    code_blob *b;
    if (gbx_runtime_code_region_init(&r, (size_t)4 << 20, OS_CODE_ANY, NULL) != GBX_OK) return 1;
    gbx_runtime_code_space_init(&s, &r);
    if (gbx_runtime_code_alloc(&s, 64, &b, NULL) != GBX_OK) return 1;
    memcpy(b->write, "\xcc\xc3", 2); /* int3; ret */
    if (gbx_runtime_code_finish(&s, b, 2, NULL) != GBX_OK) return 1;
    code_symbol const sym = {(uintptr_t)b->exec, 2, "made_by_hand"};
    gdb_code *const g = gbx_runtime_gdb_add(&sym, 1);
    void (*run)(void);
    memcpy(&run, &b->exec, sizeof run);
    run();
    gbx_runtime_gdb_remove(g);
    return 0;
}

int
main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1) return stop_inside();
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_perf),
            cmocka_unit_test(test_object),
#if defined(__x86_64__)
            cmocka_unit_test(test_debugger),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
