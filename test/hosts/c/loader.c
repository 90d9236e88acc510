/* A program that knows nothing of the library: it loads a plugin that does (citizen.c), uses it from threads that
 * were there before, unloads it, and still has what it had: loader plugin.so... guest.wasm. With several plugins,
 * each has a copy of the library, and they take turns. */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int citizen_function(const char *mode, const char *path);

static pthread_barrier_t loaded;
static citizen_function *citizen;
static sigjmp_buf jump;
static volatile uintptr_t nowhere = 16;

static void
on_fault(int sig)
{
    (void)sig;
    siglongjmp(jump, 1);
}

static void *
thread(void *path)
{
    pthread_barrier_wait(&loaded); /* this thread is older than the library's thread-local data */
    return citizen("plain", path) ? path : NULL;
}

int
main(int argc, char **argv)
{
    pthread_t t;
    void *wrong;
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_handler = on_fault;
    ours.sa_flags = SA_NODEFER;
    if (argc < 3 || sigaction(SIGSEGV, &ours, NULL)) return 2;
    if (pthread_barrier_init(&loaded, NULL, 2) || pthread_create(&t, NULL, thread, argv[argc - 1])) return 2;
    for (int round = 0; round < 6; round++) {
        void *const plugin = dlopen(argv[1 + round % (argc - 2)], RTLD_NOW | RTLD_LOCAL);
        if (!plugin) {
            printf("%s\n", dlerror());
            return 1;
        }
        *(void **)&citizen = dlsym(plugin, "citizen");
        if (!citizen) return 1;
        if (round == 0) {
            pthread_barrier_wait(&loaded);
            if (pthread_join(t, &wrong) || wrong) return 1;
        }
        if (citizen("plain", argv[argc - 1]) || dlclose(plugin)) return 1;
        if (sigsetjmp(jump, 1) == 0) {
            *(volatile int *)nowhere = 1;
            return 1;
        }
    }
    printf("well\n");
    return 0;
}
