/* Sockets to listen on: an address as people write it, and the socket of it.
 *
 *   127.0.0.1:8080   [::1]:8080   localhost:8080   0.0.0.0:80   [::]:0   unix:/run/app.sock
 *
 * An address says all there is to say: which interface, and which port. What leaves one open (":8080",
 * "8080", a name that somebody's resolver would choose for), or says it in a way that another reader would
 * take for something else (127.1, ::ffff:127.0.0.1, +80), is an error, never a guess. [::] is IPv6 alone.
 *
 * The socket is non-blocking and ours alone; connections accepted from it inherit what a Go program sets on
 * its own: no delay of small writes, and probes that find dead peers.
 * GO: net/tcpsock_posix.go newTCPConn (1.26). */
#include "wasi/wasi_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/os_file.h"
#include "base/text.h"

#define LISTEN_UNIX        "unix:"
#define LISTEN_NO_HOST     "the host is no IP address; names are not looked up, but localhost"
#define LISTEN_PORT_DIGITS  5
#define LISTEN_PROBE_S     15 /* GO: net/dial.go defaultTCPKeepAliveIdle and ...Interval */
#define LISTEN_PROBES      9

typedef union listen_addr {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
} listen_addr;

/* As it may be shown. */
typedef struct listen_shown {
    char text[300];
} listen_shown;

static listen_shown
listen_show(const char *text)
{
    listen_shown s;
    text_buf t = gbx_base_text_init(s.text, sizeof s.text);
    gbx_base_text_escape(&t, text, strlen(text), 200);
    return s;
}

static gbx_code
listen_refuse(const char *text, const char *why, gbx_err *err)
{
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "\"%s\" is no address to listen on: %s",
                            listen_show(text).text, why);
}

/* Decimal digits alone; -1 for anything else. */
static int
listen_port(const char *p)
{
    size_t const len = strlen(p);
    int port = 0;
    if (!len || len > LISTEN_PORT_DIGITS || strspn(p, "0123456789") != len) return -1;
    for (; *p; p++) port = 10 * port + (*p - '0');
    return port <= UINT16_MAX ? port : -1;
}

static gbx_code
listen_parse_unix(const char *text, listen_addr *out, socklen_t *len, gbx_err *err)
{
    const char *const path = text + strlen(LISTEN_UNIX);
    size_t const path_len = strlen(path);
    if (!path_len) return listen_refuse(text, "unix: needs the path of a socket behind it", err);
    if (path[0] == '@')
        return listen_refuse(text, "abstract names have no owner; write unix:./@... for a file", err);
    if (path_len >= sizeof out->un.sun_path)
        return listen_refuse(text, "the path of a Unix socket has at most 107 bytes", err);
    out->un.sun_family = AF_UNIX;
    memcpy(out->un.sun_path, path, path_len + 1);
    *len = sizeof out->un;
    return GBX_OK;
}

/* The part between host and port: `host` of `host_len` bytes, brackets taken off. */
static gbx_code
listen_parse_host(const char *text, const char *host, size_t host_len, bool brackets, u16 port,
                  listen_addr *out, gbx_err *err)
{
    char name[INET6_ADDRSTRLEN];
    if (!host_len)
        return listen_refuse(
                text, "the host is missing: 127.0.0.1 for this machine alone, 0.0.0.0 for the network", err);
    if (host_len >= sizeof name) return listen_refuse(text, LISTEN_NO_HOST, err);
    memcpy(name, host, host_len);
    name[host_len] = 0;
    if (brackets) {
        out->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        if (inet_pton(AF_INET6, name, &out->in6.sin6_addr) != 1)
            return listen_refuse(text, "what stands in brackets is no IPv6 address", err);
        if (IN6_IS_ADDR_V4MAPPED(&out->in6.sin6_addr) ||
                IN6_IS_ADDR_V4COMPAT(&out->in6.sin6_addr))
            return listen_refuse(text, "it is an IPv4 address in IPv6's clothes; write it as IPv4", err);
        return GBX_OK;
    }
    out->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    const char *const ipv4 = strcmp(name, "localhost") ? name : "127.0.0.1";
    if (inet_pton(AF_INET, ipv4, &out->in.sin_addr) == 1) return GBX_OK;
    if (strchr(name, ':'))
        return listen_refuse(text, "an IPv6 address stands in brackets: [::1]:8080", err);
    return listen_refuse(text, LISTEN_NO_HOST, err);
}

static gbx_code
listen_parse(const char *text, listen_addr *out, socklen_t *len, gbx_err *err)
{
    *out = (listen_addr){0};
    if (!*text) return listen_refuse(text, "it is empty", err);
    if (!strncmp(text, LISTEN_UNIX, strlen(LISTEN_UNIX))) return listen_parse_unix(text, out, len, err);
    bool const brackets = text[0] == '[';
    const char *const end = brackets ? strchr(text, ']') : strrchr(text, ':');
    if (brackets && (!end || end[1] != ':'))
        return listen_refuse(text, "an IPv6 address and its port are written [::1]:8080", err);
    if (!end) return listen_refuse(text, "it has no port; it is written HOST:PORT", err);
    int const port = listen_port(end + (brackets ? 2 : 1));
    if (port < 0) return listen_refuse(text, "the port is a number from 0 (any that is free) to 65535", err);
    const char *const host = text + brackets;
    GBX_TRY(listen_parse_host(text, host, (size_t)(end - host), brackets, (u16)port, out, err));
    *len = brackets ? sizeof out->in6 : sizeof out->in;
    return GBX_OK;
}

/* Options that the connections inherit. A refusal costs speed, not truth. */
static void
listen_set_options(int fd, const listen_addr *a)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, LISTEN_PROBE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, LISTEN_PROBE_S},
        {IPPROTO_TCP, TCP_KEEPCNT, LISTEN_PROBES},
    };
    if (a->any.sa_family == AF_UNIX) return;
    for (size_t i = 0; i < GBX_LEN(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

/* A socket's file that nobody answers at was left behind by a process that is gone: it is in the way of the
 * next one for ever, since no process can listen there again. Whatever else has the name stays. */
static void
listen_remove_stale(const listen_addr *a, socklen_t len)
{
    struct stat st;
    if (a->any.sa_family != AF_UNIX || lstat(a->un.sun_path, &st) || !S_ISSOCK(st.st_mode)) return;
    int const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    if (connect(fd, &a->any, len) && errno == ECONNREFUSED) (void)unlink(a->un.sun_path);
    close(fd);
}

static bool
listen_bind(int fd, const listen_addr *a, socklen_t len)
{
    int const on = 1;
    int const family = a->any.sa_family;
    if (family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) return false;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)) return false;
    listen_set_options(fd, a);
    return !bind(fd, &a->any, len) && !listen(fd, SOMAXCONN);
}

gbx_code
gbx_wasi_listen_open(const char *text, int *out, gbx_err *err)
{
    listen_addr a;
    socklen_t len = 0;
    *out = -1;
    GBX_TRY(listen_parse(text, &a, &len, err));
    listen_remove_stale(&a, len);
    int const fd = gbx_base_os_fd_above_stdio(
            socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd >= 0 && listen_bind(fd, &a, len)) {
        *out = fd;
        return GBX_OK;
    }
    int const e = errno;
    if (fd >= 0) close(fd);
    return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "cannot listen on %s: %s",
                            listen_show(text).text, strerror(e));
}

void
gbx_wasi_listen_name(int fd, char *out, size_t cap)
{
    listen_addr a = {0};
    socklen_t len = sizeof a;
    char host[INET6_ADDRSTRLEN];
    text_buf t = gbx_base_text_init(out, cap);
    if (getsockname(fd, &a.any, &len)) return;
    if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof host))
        gbx_base_text_printf(&t, "%s:%u", host, ntohs(a.in.sin_port));
    else if (a.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof host))
        gbx_base_text_printf(&t, "[%s]:%u", host, ntohs(a.in6.sin6_port));
    else if (a.any.sa_family == AF_UNIX && len > sizeof a.un.sun_family && a.un.sun_path[0])
        gbx_base_text_printf(&t, "unix:%.*s", (int)sizeof a.un.sun_path, a.un.sun_path);
}
