/* The program in the head of gbx/gbx.h, taken from there, compiled, linked, and run over a Go module:
 * what the documentation says first is true. */
#include "api/guest.h"

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define SANITIZER "-fsanitize=address,undefined"
#elif defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define SANITIZER "-fsanitize=thread"
#else
#define SANITIZER "-O2"
#endif

static char dir[] = "/tmp/gbx-test-XXXXXX";
static char host[64], source[64], wasm[64];

/* The library that this test is linked with: build/<variant>/libgbx.a, two folders up. */
static void
find_library(char *out, size_t cap)
{
    char self[512];
    ssize_t const n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    for (int up = 0; up < 3; up++) *strrchr(self, '/') = 0;
    assert_true(snprintf(out, cap, "%s/libgbx.a", self) < (int)cap);
}

static void
extract(const char *header)
{
    gbx_bytes const text = guest_read_file(header);
    char *const copy = malloc(text.len + 1);
    assert_non_null(copy);
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    FILE *const f = fopen(source, "w");
    assert_non_null(f);
    unsigned lines = 0;
    static const char indent[] = " *     ";
    char *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, indent, sizeof indent - 1) == 0) {
            fprintf(f, "%s\n", line + sizeof indent - 1);
            lines++;
        }
    }
    assert_int_equal(fclose(f), 0);
    assert_true(lines > 20);
    free(copy);
    free((void *)(uintptr_t)text.data);
}

static int
setup(void **state)
{
    (void)state;
    char library[560], include[256], header[300];
    const char *const root = getenv("GBX_ROOT");
    assert_non_null(mkdtemp(dir));
    snprintf(host, sizeof host, "%s/host", dir);
    snprintf(source, sizeof source, "%s/host.c", dir);
    snprintf(wasm, sizeof wasm, "%s/main.wasm", dir);
    snprintf(include, sizeof include, "-I%s/include", root ? root : ".");
    snprintf(header, sizeof header, "%s/include/gbx/gbx.h", root ? root : ".");
    extract(header);
    find_library(library, sizeof library);
    const char *const cc = getenv("CC");
    char *const argv[] = {(char *)(uintptr_t)(cc ? cc : "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror",
                          "-pedantic", SANITIZER, include, source, library, "-lm", "-pthread", "-o",
                          host, NULL};
    guest_run_tool(argv, NULL);
    gbx_bytes const b = guest_go("go/guest.go");
    FILE *const f = fopen(wasm, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
    assert_int_equal(fclose(f), 0);
    free((void *)(uintptr_t)b.data);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    unlink(host);
    unlink(source);
    unlink(wasm);
    return rmdir(dir);
}

/* Run the host and read what it wrote to both streams; its exit status. */
static int
run_host(const char *module, char *text, size_t cap)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    char *const argv[] = {host, (char *)(uintptr_t)module, NULL};
    extern char **environ;
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, host, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    size_t len = 0;
    for (ssize_t n; len < cap - 1 && (n = read(fds[0], text + len, cap - 1 - len)) > 0;) len += (size_t)n;
    text[len] = 0;
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
test_hello(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(run_host(wasm, text, sizeof text), 0);
    assert_string_equal(text, "hello from main.wasm\n");
}

static void
test_failures(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(run_host("/no/such.wasm", text, sizeof text), 125);
    assert_non_null(strstr(text, "No such file"));
    assert_int_equal(run_host(host, text, sizeof text), 125);
    assert_non_null(strstr(text, "ELF"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hello), cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
