/* glovebox: the command. Chooses the subcommand and sets the process up.
 *
 * SAFETY: descriptors 0, 1 and 2 are opened on /dev/null where they are closed, before anything else
 * is opened: otherwise the first file or directory of the host would become the guest's standard
 * stream. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

const cli_command_row gbx_cli_commands[] = {
#define CLI_COMMAND(name, function, usage, words) {name, function, usage, words},
#include "cli/commands.def"
#undef CLI_COMMAND
};

size_t
gbx_cli_command_count(void)
{
    return CLI_LEN(gbx_cli_commands);
}

static bool main_pipe_ends;

bool
gbx_cli_pipe_ends(void)
{
    return main_pipe_ends;
}

static bool
main_open_stdio(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

/* Die of the signal, so that a shell that runs us in a loop stops too. The first process of a
 * container cannot die so: the kernel spares it. */
void
gbx_cli_die_of(int number)
{
    sigset_t set;
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    _exit(128 + number);
}

/* A guest that writes to a closed pipe gets EPIPE, as Go programs expect of wasip1, and one that passes
 * the limit on file size EFBIG; with both ignored here, the library need not block them around each
 * write. What our parent chose to ignore (nohup, a job in the background) stays ignored. */
static void
main_set_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM};
    main_pipe_ends = signal(SIGPIPE, SIG_IGN) != SIG_IGN;
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < CLI_LEN(ends); i++) {
        struct sigaction old;
        if (sigaction(ends[i], NULL, &old) || old.sa_handler != SIG_DFL) continue;
        struct sigaction mine = {.sa_handler = gbx_cli_die_of};
        sigemptyset(&mine.sa_mask);
        sigaction(ends[i], &mine, NULL);
    }
}

int
main(int argc, char **argv)
{
    gbx_cli_heap();
    if (!main_open_stdio()) return CLI_EXIT_SETUP;
    main_set_signals();
    const char *const slash = argc ? strrchr(argv[0], '/') : NULL;
    if (argc && !strcmp(slash ? slash + 1 : argv[0], CLI_GO_WRAPPER)) return gbx_cli_gorun(argc, argv, 1);
    if (argc < 2) {
        gbx_cli_help_all(stderr);
        return CLI_EXIT_SETUP;
    }
    for (size_t i = 0; i < CLI_LEN(gbx_cli_commands); i++)
        if (!strcmp(argv[1], gbx_cli_commands[i].name)) return gbx_cli_commands[i].run(argc, argv, 2);
    return gbx_cli_run(argc, argv, 1);
}
