/*
 * Files of a granted directory: written, appended to, overwritten, read back, renamed, listed, removed.
 * The first argument is the directory; each other one is a path that must not be reached.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root;

static char *
at(const char *name)
{
    char *path = malloc(strlen(root) + strlen(name) + 2);
    if (!path)
        exit(1);
    sprintf(path, "%s/%s", root, name);
    return path;
}

static void
fail(const char *what)
{
    printf("cannot %s\n", what);
    exit(1);
}

static void
put(const char *name, const char *text, const char *mode)
{
    FILE *f = fopen(at(name), mode);
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        fail("write");
}

static void
write_and_read(void)
{
    put("notes.txt", "one\ntwo\nthree\n", "w");
    put("notes.txt", "four\n", "a");
    FILE *f = fopen(at("notes.txt"), "r+");
    if (!f || fseek(f, 4, SEEK_SET) != 0 || fputs("TWO", f) < 0 || fclose(f) != 0)
        fail("overwrite");
    struct stat st;
    if (stat(at("notes.txt"), &st) != 0 || !S_ISREG(st.st_mode))
        fail("stat");
    printf("size %lld\n", (long long)st.st_size);
    char text[100];
    int fd = open(at("notes.txt"), O_RDONLY);
    ssize_t n = read(fd, text, sizeof text);
    if (n < 0)
        fail("read");
    printf("%.*s", (int)n, text);
    if (lseek(fd, -5, SEEK_END) != 14 || (n = read(fd, text, sizeof text)) < 0 || close(fd) != 0)
        fail("seek");
    printf("end: %.*s", (int)n, text);
    if (truncate(at("notes.txt"), 8) != 0 || stat(at("notes.txt"), &st) != 0)
        fail("truncate");
    printf("truncated to %lld\n", (long long)st.st_size);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
list(const char *name)
{
    char *names[100];
    size_t count = 0;
    DIR *dir = opendir(at(name));
    if (!dir)
        fail("list");
    for (struct dirent *e; (e = readdir(dir)) && count < 100;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            names[count++] = strdup(e->d_name);
    closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    printf("%s:", name);
    for (size_t i = 0; i < count; i++)
        printf(" %s", names[i]);
    printf("\n");
}

static void
move_and_remove(void)
{
    if (mkdir(at("sub"), 0777) != 0)
        fail("mkdir");
    if (rename(at("notes.txt"), at("sub/moved.txt")) != 0)
        fail("rename");
    printf("notes.txt %s\n", access(at("notes.txt"), F_OK) == 0 ? "is still there" : "is gone");
    put("sub/b.txt", "b", "w");
    put("sub/a.txt", "a", "w");
    list("sub");
    printf("sub %s\n", rmdir(at("sub")) == 0 ? "removed" : "is not empty");
    if (unlink(at("sub/a.txt")) != 0 || unlink(at("sub/b.txt")) != 0)
        fail("remove");
    if (rename(at("sub/moved.txt"), at("kept.txt")) != 0)
        fail("rename");
    printf("sub %s\n", rmdir(at("sub")) == 0 ? "removed" : "is not empty");
}

static void
reach(const char *path)
{
    char made[1000];
    snprintf(made, sizeof made, "%s.made", path);
    FILE *in = fopen(path, "r");
    FILE *out = fopen(made, "w");
    printf("%s: %s, %s\n", path, in ? "read" : "not read", out ? "made" : "not made");
    if (in)
        fclose(in);
    if (out)
        fclose(out);
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    root = argv[1];
    write_and_read();
    move_and_remove();
    for (int i = 2; i < argc; i++)
        reach(argv[i]);
    return 0;
}
