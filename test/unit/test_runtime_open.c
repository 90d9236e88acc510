/* Files that are modules and files that are not: each is named as what it is. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

static char dir[] = "/tmp/gbx-test-XXXXXX";
static gbx_engine *engine;

static const u8 smallest[] = {0, 'a', 's', 'm', 1, 0, 0, 0};

static int
setup(void **state)
{
    (void)state;
    return mkdtemp(dir) && gbx_runtime_engine_new(&(gbx_engine_opts){.size = sizeof(gbx_engine_opts), .keep_ms = GBX_KEEP_OFF}, &engine, NULL) == GBX_OK ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    gbx_runtime_engine_release(engine);
    return rmdir(dir);
}

typedef struct sniff_case {
    const char *bytes;
    size_t len;
    gbx_code code;
    const char *words;
} sniff_case;
#define CASE(bytes, code, words) {bytes, sizeof(bytes) - 1, code, words}

static const sniff_case cases[] = {
        CASE("", GBX_TRUNCATED, "is empty"),
        CASE("\0asm\1\0\0\0", GBX_OK, ""),
        CASE("\0asm\1\0\0\0\0", GBX_OK, ""),
        CASE("\0asm\x0d\0\1\0", GBX_COMPONENT, "component"),
        CASE("\0asm\x0e\0\1\0more", GBX_COMPONENT, "component"),
        CASE("\x7f" "ELF\2\1\1\0", GBX_BAD_MAGIC, "ELF"),
        CASE("\x1f\x8b\x08\0\0\0\0\0", GBX_BAD_MAGIC, "gzip"),
        CASE("\x28\xb5\x2f\xfd....", GBX_BAD_MAGIC, "zstd"),
        CASE("PK\3\4....", GBX_BAD_MAGIC, "zip"),
        CASE("!<arch>\n__.PKGDEF", GBX_BAD_MAGIC, "library archive"),
        CASE("\0\0\0\0\0\0\0\0", GBX_BAD_MAGIC, "zero bytes"),
        CASE("MZ\x90\0\3\0", GBX_BAD_MAGIC, "Windows"),
        CASE("\xcf\xfa\xed\xfe\7\0\0\1", GBX_BAD_MAGIC, "Mach-O"),
        CASE("version https://git-lfs.github.com/spec/v1\n", GBX_BAD_MAGIC, "git lfs pull"),
        CASE("#!/bin/sh\n", GBX_BAD_MAGIC, "a script"),
        CASE("<!DOCTYPE html>\n<html>", GBX_BAD_MAGIC, "HTML"),
        CASE("\n\t <!doctype HTML>", GBX_BAD_MAGIC, "HTML"),
        CASE("\xef\xbb\xbf<HTML lang=\"en\">", GBX_BAD_MAGIC, "HTML"),
        CASE("<?xml version=\"1.0\"?><Error>", GBX_BAD_MAGIC, "XML"),
        CASE("(module (func))", GBX_BAD_MAGIC, "wat2wasm"),
        CASE(";; a comment\n(module)", GBX_BAD_MAGIC, "wat2wasm"),
        CASE("(component)", GBX_BAD_MAGIC, "component"),
        CASE("package main\n\nfunc main() {}\n", GBX_BAD_MAGIC, "Go source"),
        CASE("{\"error\": \"not found\"}", GBX_BAD_MAGIC, "JSON"),
        CASE("hello, world\n", GBX_BAD_MAGIC, "is text"),
        CASE("gr\xc3\xbc\xc3\x9f", GBX_BAD_MAGIC, "is text"),
        CASE("\x01\x02\x03\x04", GBX_BAD_MAGIC, "unknown kind"),
        CASE("\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", GBX_BAD_MAGIC, "unknown kind"),
        CASE("\0", GBX_OK, ""), /* a module cut short: the decoder says where */
        CASE("\0as", GBX_OK, ""),
        CASE("\0asx", GBX_BAD_MAGIC, "magic header not detected"),
};

static void
test_sniff(void **state)
{
    (void)state;
    for (size_t i = 0; i < GBX_LEN(cases); i++) {
        gbx_err err = {.text = ""};
        gbx_code const code =
                gbx_runtime_sniff((const u8 *)cases[i].bytes, cases[i].len, "the module", &err);
        if (code != cases[i].code || !strstr(err.text, cases[i].words)) {
            fail_msg("case %zu: %s: %s", i, gbx_code_slug(code), err.text);
        }
    }
}

/* No prefix of anything is read beyond its end (run under a sanitizer), and each has an answer. */
static void
test_sniff_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < GBX_LEN(cases); i++) {
        for (size_t len = 0; len <= cases[i].len; len++) {
            u8 *const exact = malloc(len ? len : 1);
            assert_non_null(exact);
            memcpy(exact, cases[i].bytes, len);
            gbx_err err = {.text = ""};
            gbx_code const code = gbx_runtime_sniff(exact, len, "the module", &err);
            assert_int_equal(code == GBX_OK, err.text[0] == 0);
            free(exact);
        }
    }
}

static const char *
in_dir(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void
write_file(const char *path, const void *data, size_t len)
{
    int const fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static gbx_code
open_module(const char *path, gbx_err *err)
{
    gbx_module *m;
    gbx_code const code = gbx_runtime_module_open(engine, path, GBX_TRUST_KEY, &m, err);
    assert_int_equal(m != NULL, code == GBX_OK);
    gbx_runtime_module_release(m);
    return code;
}

static void
test_files(void **state)
{
    (void)state;
    gbx_err err;
    const char *const path = in_dir("m.wasm");
    write_file(path, smallest, sizeof smallest);
    assert_int_equal(open_module(path, &err), GBX_OK);

    write_file(path, "", 0);
    assert_int_equal(open_module(path, &err), GBX_TRUNCATED);
    assert_non_null(strstr(err.text, path));

    write_file(path, smallest, 5);
    assert_int_not_equal(open_module(path, &err), GBX_OK);
    assert_non_null(strstr(err.text, path));
    unlink(path);

    assert_int_equal(open_module(path, &err), GBX_NOT_FOUND);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(open_module(dir, &err), GBX_IO);
    assert_non_null(strstr(err.text, "is a directory"));
    assert_int_equal(open_module("/proc/self/mem", &err), GBX_IO); /* opens, but does not read */
    assert_int_equal(open_module("/dev/zero", &err), GBX_BAD_MAGIC); /* without end */

    assert_int_equal(open_module("/no\x1b[31m/such\nfile", &err), GBX_NOT_FOUND);
    assert_null(strchr(err.text, '\x1b'));
    assert_null(strchr(err.text, '\n'));
    assert_non_null(strstr(err.text, "/no\\x1b[31m/such\\nfile"));
}

/* A sparse file of 100 GiB is refused by what it is, or by its size, without being read. */
static void
test_huge(void **state)
{
    (void)state;
    gbx_err err;
    const char *const path = in_dir("huge");
    write_file(path, "\x7f" "ELF", 4);
    assert_int_equal(truncate(path, (off_t)100 << 30), 0);
    assert_int_equal(open_module(path, &err), GBX_BAD_MAGIC);
    write_file(path, smallest, sizeof smallest);
    assert_int_equal(truncate(path, (off_t)100 << 30), 0);
    assert_int_equal(open_module(path, &err), GBX_LIMIT);
    assert_non_null(strstr(err.text, "module-bytes"));
    unlink(path);
}

static void *
feed_fifo(void *data)
{
    int const fd = open(data, O_WRONLY);
    if (fd < 0) return "open";
    /* In pieces, so that one read is not the whole. */
    static const u8 custom[] = {0, 200, 1, 1, 'x'}; /* a section of 200 bytes, name "x" */
    static const u8 rest[198];
    bool const ok = write(fd, smallest, 3) == 3 && usleep(20000) == 0 &&
                    write(fd, smallest + 3, 5) == 5 && usleep(20000) == 0 &&
                    write(fd, custom, sizeof custom) == sizeof custom && usleep(20000) == 0 &&
                    write(fd, rest, sizeof rest) == sizeof rest;
    close(fd);
    return ok ? NULL : "write";
}

static void
test_fifo(void **state)
{
    (void)state;
    gbx_err err = {.text = ""};
    char *const path = strdup(in_dir("fifo"));
    assert_int_equal(mkfifo(path, 0600), 0);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, feed_fifo, path), 0);
    gbx_code const code = open_module(path, &err);
    void *wrong;
    pthread_join(t, &wrong);
    assert_null(wrong);
    if (code != GBX_OK) fail_msg("%s", err.text);
    unlink(path);
    free(path);
}

/* S1: what is run is what was read; the file may change at once. */
static void
test_private(void **state)
{
    (void)state;
    const char *const path = in_dir("m.wasm");
    write_file(path, smallest, sizeof smallest);
    gbx_module *m;
    assert_int_equal(gbx_runtime_module_open(engine, path, GBX_TRUST_KEY, &m, NULL), GBX_OK);
    write_file(path, "xxxxxxxx", 8);
    assert_memory_equal(gbx_runtime_module_wasm(m)->bytes, smallest, sizeof smallest);
    gbx_runtime_module_release(m);
    unlink(path);
}

static void
test_faults(void **state)
{
    (void)state;
    const char *const path = in_dir("m.wasm");
    write_file(path, smallest, sizeof smallest);
    for (u64 n = 1;; n++) {
        gbx_module *m;
        gbx_err err = {.text = ""};
        gbx_base_fault_arm(n);
        gbx_code const code = gbx_runtime_module_open(engine, path, GBX_TRUST_KEY, &m, &err);
        bool const covered = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        gbx_runtime_module_release(m);
        assert_int_equal(code, covered ? GBX_OK : GBX_NO_MEMORY);
        if (covered) break;
        assert_true(err.text[0] != 0);
    }
    unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_sniff),   cmocka_unit_test(test_sniff_prefixes),
            cmocka_unit_test(test_files),   cmocka_unit_test(test_huge),
            cmocka_unit_test(test_fifo),    cmocka_unit_test(test_private),
            cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
