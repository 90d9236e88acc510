/* The directories that are granted: one value of --dir, HOST[::GUEST][::ro|rw].
 *
 * Go joins every path to its working directory and compares it with the names of the granted
 * directories as strings, so a relative guest name can never match (GO: syscall/fs_wasip1.go
 * preparePath, 1.26). Hence guest names are absolute here, always:
 *
 *     --dir .             /          --dir ./data        /data       --dir a/b      /a/b
 *     --dir /srv/in       /srv/in    --dir ./x::/data    /data       --dir x::data  /data
 *     --dir ../x          refused: above the working directory there is no name; ../x::/x works
 *
 * What cannot be meant is refused with the spelling that is right, and never taken for something
 * else: a suffix other than ro and rw, docker's HOST:GUEST, the two names reversed, a host directory
 * that is absent or a file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/cli.h"

/* Words that people write where ::ro or ::rw belongs. */
static const struct {
    const char *word, *ours;
} dirs_suffixes[] = {
        {"r", "ro"},     {"read", "ro"},     {"readonly", "ro"},  {"read-only", "ro"},
        {"w", "rw"},     {"wr", "rw"},       {"wo", "rw"},        {"rwx", "rw"},
        {"write", "rw"}, {"writable", "rw"}, {"readwrite", "rw"}, {"read-write", "rw"},
        {"z", "rw"},     {"ro,z", "ro"},     {"rw,z", "rw"},      {"ro", "ro"},
        {"rw", "rw"},
};

const char *
gbx_cli_guest_path(const char *path)
{
    cli_text t = {0};
    gbx_cli_text_add(&t, "/", 1);
    while (*path) {
        size_t const len = strcspn(path, "/");
        if (len == 2 && !memcmp(path, "..", 2)) {
            if (t.len == 1) return NULL;
            while (t.len > 1 && t.data[t.len - 1] != '/') t.len--;
            if (t.len > 1) t.len--;
            t.data[t.len] = 0;
        } else if (len && !(len == 1 && *path == '.')) {
            if (t.len > 1) gbx_cli_text_add(&t, "/", 1);
            gbx_cli_text_add(&t, path, len);
        }
        path += len;
        path += *path == '/';
    }
    return gbx_cli_text_get(&t);
}

static bool
dirs_exists(const char *path)
{
    struct stat st;
    return *path && !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* The suffix that `word` was probably meant to be; NULL when it looks like none. Two letters of
 * which the first is r are always taken for a mistyped one. */
static const char *
dirs_suffix(const char *word)
{
    for (size_t i = 0; i < CLI_LEN(dirs_suffixes); i++)
        if (!strcasecmp(dirs_suffixes[i].word, word)) return dirs_suffixes[i].ours;
    return (word[0] == 'r' || word[0] == 'R') && strlen(word) == 2 ? "ro" : NULL;
}

/* Say what is wrong with a value of --dir; `right` is the value to give instead, NULL: none known. */
static int
dirs_refuse(const cli_line *line, int given, const char *slug, const char *message, const char *why,
            const char *right)
{
    const char *fix = NULL;
    if (right && line->given[given].at) {
        fix = gbx_cli_format("dir %s     (in the policy)", right);
    } else if (right) {
        cli_edit const edit = {
                .skip = line->given[given].word,
                .skip_count = line->given[given].words,
                .add = gbx_cli_option_text(CLI_OPT_DIR, right),
        };
        fix = gbx_cli_line_command(line, &edit);
    }
    return gbx_cli_usage_error(slug, message, why, fix);
}

static int
dirs_refuse_suffix(const cli_line *line, int given, const char *host, const char *guest,
                   const char *suffix)
{
    const char *const ours = dirs_suffix(suffix);
    const char *const grant = guest ? gbx_cli_format("%s::%s", host, guest) : host;
    return dirs_refuse(
            line, given, "dir-suffix",
            gbx_cli_format("\"%s\" is no access that --dir knows", gbx_cli_show(suffix)),
            guest ? "a grant reads HOST::GUEST::ro or HOST::GUEST::rw"
                  : gbx_cli_format(
                            "a grant reads HOST[::GUEST][::ro|rw]; a guest directory of that name "
                            "is written ::/%s",
                            gbx_cli_show(suffix)),
            gbx_cli_format("%s::%s", grant, ours ? ours : "ro"));
}

/* The host path is absent: find out what was meant. */
static int
dirs_refuse_absent(const cli_line *line, int given, const char *host, const char *guest,
                   const char *access)
{
    const char *const colon = strchr(host, ':');
    const char *const tail = access ? gbx_cli_format("::%s", access) : "";
    if (colon && colon != host && !guest &&
        dirs_exists(gbx_cli_copy(host, (size_t)(colon - host)))) {
        const char *const name = gbx_cli_copy(host, (size_t)(colon - host));
        const char *const last = strrchr(colon, ':');
        const char *const ours = dirs_suffix(last + 1);
        const char *const middle =
                ours ? gbx_cli_copy(colon + 1, last > colon ? (size_t)(last - colon - 1) : 0)
                     : colon + 1;
        return dirs_refuse(line, given, "dir-spelling",
                           "--dir separates its parts with two colons, not with one",
                           gbx_cli_format("there is no directory %s, but there is %s",
                                          gbx_cli_quote(host), gbx_cli_quote(name)),
                           gbx_cli_format("%s%s%s%s%s", name, *middle ? "::" : "", middle,
                                          ours ? "::" : "", ours ? ours : tail));
    }
    if (guest && dirs_exists(guest)) {
        return dirs_refuse(
                line, given, "dir-spelling",
                gbx_cli_format("there is no directory %s on this machine", gbx_cli_quote(host)),
                gbx_cli_format("the host's name comes first, HOST::GUEST; %s exists here",
                               gbx_cli_quote(guest)),
                gbx_cli_format("%s::%s%s", guest, host, tail));
    }
    const char *const home = getenv("HOME");
    if (!strncmp(host, "~/", 2) && home && dirs_exists(gbx_cli_format("%s/%s", home, host + 2))) {
        return dirs_refuse(line, given, "dir-spelling",
                           gbx_cli_format("there is no directory %s", gbx_cli_quote(host)),
                           "the shell expands ~ only at the beginning of a word",
                           gbx_cli_format("%s/%s%s%s%s", home, host + 2, guest ? "::" : "",
                                          guest ? guest : "", tail));
    }
    return gbx_cli_usage_error(
            "dir-absent", gbx_cli_format("there is no directory %s to grant", gbx_cli_quote(host)),
            "it was named by --dir; relative names start at the working directory",
            gbx_cli_format("mkdir -p %s && %s", gbx_cli_quote(host),
                           gbx_cli_line_command(line, &(cli_edit){0})));
}

static int
dirs_refuse_file(const cli_line *line, int given, const char *host, const char *guest,
                 const char *access)
{
    const char *const slash = strrchr(host, '/');
    const char *const parent = !slash          ? "."
                               : slash == host ? "/"
                                               : gbx_cli_copy(host, (size_t)(slash - host));
    const char *name = guest;
    const char *const guest_slash = guest ? strrchr(guest, '/') : NULL;
    if (guest_slash)
        name = guest_slash == guest ? "/" : gbx_cli_copy(guest, (size_t)(guest_slash - guest));
    return dirs_refuse(
            line, given, "dir-not-a-directory",
            gbx_cli_format("%s is a file; --dir grants directories", gbx_cli_quote(host)),
            "a single file cannot be granted: grant the directory it lies in, or give it "
            "to the guest's standard input",
            gbx_cli_format("%s%s%s%s%s", parent, name ? "::" : "", name ? name : "",
                           access ? "::" : "", access ? access : ""));
}

static int
dirs_check_host(const cli_line *line, int given, const char *host, const char *guest,
                const char *access)
{
    struct stat st;
    if (!stat(host, &st))
        return S_ISDIR(st.st_mode) ? CLI_EXIT_OK
                                   : dirs_refuse_file(line, given, host, guest, access);
    if (errno == ENOENT || errno == ENOTDIR)
        return dirs_refuse_absent(line, given, host, guest, access);
    return gbx_cli_usage_error("host-io",
                               gbx_cli_format("%s cannot be granted", gbx_cli_quote(host)),
                               strerror(errno), NULL);
}

/* Split at "::" into at most `max` parts; gives how many there are, max + 1 for too many. */
static int
dirs_split(const char *value, const char **parts, int max)
{
    int n = 0;
    for (;;) {
        const char *const next = strstr(value, "::");
        if (n == max) return max + 1;
        parts[n++] = next ? gbx_cli_copy(value, (size_t)(next - value)) : value;
        if (!next) return n;
        value = next + 2;
    }
}

/* Where a relative HOST without GUEST, or any GUEST, stands in the guest's tree. */
static int
dirs_place(const cli_line *line, int given, const char *host, const char *guest, const char *access,
           cli_dir *out)
{
    out->relative = !guest && host[0] != '/';
    out->guest = gbx_cli_guest_path(guest ? guest : host);
    if (out->guest) return CLI_EXIT_OK;
    const char *last = strrchr(host, '/');
    last = last ? last + 1 : host;
    bool const nameless = !*last || !strcmp(last, "..") || !strcmp(last, ".");
    return dirs_refuse(line, given, "dir-above-root",
                       gbx_cli_format("%s leads above the guest's root directory",
                                      gbx_cli_quote(guest ? guest : host)),
                       guest ? "GUEST is a name in the guest's own tree, which starts at /"
                             : "without GUEST, HOST is a name below the guest's working directory "
                               "/, and there "
                               "is nothing above it",
                       gbx_cli_format("%s::/%s%s%s", host, nameless ? "" : last, access ? "::" : "",
                                      access ? access : ""));
}

int
gbx_cli_dir_parse(const cli_line *line, int given, cli_dir *out)
{
    const char *const value = line->given[given].value;
    const char *parts[3] = {NULL, NULL, NULL};
    int const n = dirs_split(value, parts, 3);
    if (n > 3) {
        return dirs_refuse(line, given, "dir-spelling",
                           gbx_cli_format("--dir %s has too many parts", gbx_cli_quote(value)),
                           "a grant reads HOST[::GUEST][::ro|rw]", NULL);
    }
    const char *const host = parts[0];
    const char *guest = n >= 2 ? parts[1] : NULL;
    const char *access = n == 3 ? parts[2] : NULL;
    if (n == 2 && (!strcmp(guest, "ro") || !strcmp(guest, "rw"))) {
        access = guest;
        guest = NULL;
    }
    if (!*host || (guest && !*guest)) {
        return dirs_refuse(
                line, given, "dir-spelling",
                gbx_cli_format("--dir %s has no %s", gbx_cli_quote(value),
                               *host ? "name for the guest after ::" : "directory of the host"),
                "a grant reads HOST[::GUEST][::ro|rw]",
                *host ? gbx_cli_format("%s%s%s", host, access ? "::" : "", access ? access : "")
                      : NULL);
    }
    if (access && strcmp(access, "ro") != 0 && strcmp(access, "rw") != 0)
        return dirs_refuse_suffix(line, given, host, guest, access);
    if (guest && !strchr(guest, '/') && dirs_suffix(guest))
        return dirs_refuse_suffix(line, given, host, NULL, guest);
    const char *const colon = guest ? strrchr(guest, ':') : NULL;
    if (colon) {
        const char *const ours = dirs_suffix(colon + 1);
        const char *const name = gbx_cli_copy(guest, (size_t)(colon - guest));
        return dirs_refuse(line, given, "dir-spelling",
                           gbx_cli_format("the guest directory %s has a colon in its name",
                                          gbx_cli_quote(guest)),
                           "the parts of a grant are separated by two colons: HOST::GUEST::ro",
                           ours && *name ? gbx_cli_format("%s::%s::%s", host, name, ours) : NULL);
    }
    *out = (cli_dir){.host = host, .given = given, .read_only = access && !strcmp(access, "ro")};
    int const status = dirs_check_host(line, given, host, guest, access);
    return status != CLI_EXIT_OK ? status : dirs_place(line, given, host, guest, access, out);
}
