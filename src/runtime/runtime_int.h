/* What the files of runtime/ share; see runtime.h for the outside. */
#ifndef GBX_RUNTIME_RUNTIME_INT_H
#define GBX_RUNTIME_RUNTIME_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/os_image.h"
#include "base/os_written.h"
#include "codegen/codegen.h"
#include "runtime/cache.h"
#include "runtime/code.h"
#include "runtime/enter.h"
#include "runtime/published.h"
#include "runtime/runtime.h"
#include "runtime/tier.h"
#include "wasm/golines.h"

/* ---- types.c: canonical function types, thread-safe */

typedef struct runtime_types {
    pthread_mutex_t lock;
    map types;
    u32 *free_ids; /* ids given back, to be used again; room for every id ever issued */
    u32 free_len, issued, cap;
} runtime_types;

void gbx_runtime_types_init(runtime_types *t);
void gbx_runtime_types_deinit(runtime_types *t); /* no type may be in use */
/* A reference to the type equal to `sig`; NULL when memory is short. */
GBX_MUST_USE runtime_type *gbx_runtime_type_get(runtime_types *t, const wasm_functype *sig);
void gbx_runtime_type_put(runtime_types *t, runtime_type *type); /* NULL is fine */

/* ---- hostset.c: names and types of host functions that are defined together
 *
 * Looked up once an engine and kept until it dies, so that defining them costs one block a store. */

typedef struct hostset_name {
    map_node node;
    u32 row;
} hostset_name;

typedef struct runtime_hostset runtime_hostset;
struct runtime_hostset {
    runtime_hostset *next;
    const runtime_host_set *set;
    map names;
    hostset_name *rows;    /* by row, in `names` */
    runtime_type **types; /* by row */
};

typedef struct runtime_hostsets {
    pthread_mutex_t lock;
    runtime_hostset *list; /* immutable once they are in it */
} runtime_hostsets;

void gbx_runtime_hostsets_init(runtime_hostsets *h);
void gbx_runtime_hostsets_deinit(runtime_hostsets *h, runtime_types *t);
/* NULL: memory is short. Thread-safe. */
GBX_MUST_USE const runtime_hostset *gbx_runtime_hostset_get(runtime_hostsets *h, runtime_types *t,
                                                            const runtime_host_set *set);
/* The row of that name; set->count: there is none. */
GBX_MUST_USE u32 gbx_runtime_hostset_find(const runtime_hostset *h, rd_name module, rd_name name);

/* ---- watch.c: deadlines
 *
 * Every store has a watch, in the engine's list from the store's birth to its death. Arming one is a
 * store to `due_ns` and, seldom, waking the thread; see the head of watch.c for the order of things. */

#define WATCH_OFF UINT64_MAX

typedef struct runtime_watch runtime_watch;
struct runtime_watch {
    _Atomic u64 due_ns; /* WATCH_OFF, or when to fire */
    _Atomic bool is_firing; /* the thread is about to stop the call, or has */
    bool is_new;            /* the thread's: it has just announced that */
    gbx_store *store;
    runtime_watch *next, **link;
};

typedef struct runtime_watcher {
    pthread_mutex_t lock; /* of everything here but `next_ns` */
    pthread_cond_t wake;
    runtime_watch *list;
    bool running, quitting;
    pthread_t thread;
    _Atomic u64 next_ns; /* when the thread will look next; WATCH_OFF: when woken */
    bool is_fenced;      /* there is no barrier for one side alone */
} runtime_watcher;

void gbx_runtime_watcher_init(runtime_watcher *w);
void gbx_runtime_watcher_deinit(runtime_watcher *w); /* ends the thread; no watch may be left */
void gbx_runtime_watch_add(runtime_watcher *w, runtime_watch *watch, gbx_store *s);
void gbx_runtime_watch_remove(runtime_watcher *w, runtime_watch *watch);
/* Wake the thread for a watch that is due before it would look, or begin it. */
GBX_MUST_USE bool gbx_runtime_watch_wake(runtime_watcher *w, runtime_watch *watch, u64 due_ns);
/* Until the thread has done what it had announced. */
void gbx_runtime_watch_await(runtime_watcher *w, runtime_watch *watch);

/* Of a call: what it wrote before is seen by the thread unless it sees behind it what the thread wrote. */
static inline void
watch_fence(bool is_fenced)
{
    if (GBX_UNLIKELY(is_fenced)) atomic_thread_fence(memory_order_seq_cst);
    else atomic_signal_fence(memory_order_seq_cst);
}

/* When what begins then is due; WATCH_OFF: never, or centuries from now. */
static inline u64
watch_due(u64 begun_ns, u64 timeout_ns)
{
    u64 due;
    return __builtin_add_overflow(begun_ns, timeout_ns, &due) ? WATCH_OFF : due;
}

/* WATCH_OFF never fires. False when the system refuses the thread, and then the watch is not armed.
 * `is_fenced`: of w, or true. */
GBX_MUST_USE __attribute__((always_inline)) static inline bool
watch_arm(runtime_watcher *w, runtime_watch *watch, u64 due_ns, bool is_fenced)
{
    atomic_store_explicit(&watch->due_ns, due_ns, memory_order_relaxed);
    watch_fence(is_fenced);
    return GBX_LIKELY(due_ns >= atomic_load_explicit(&w->next_ns, memory_order_relaxed)) ||
           gbx_runtime_watch_wake(w, watch, due_ns);
}

/* After it the watch is not armed, and the watcher has done what it was about to do. */
__attribute__((always_inline)) static inline void
watch_disarm(runtime_watcher *w, runtime_watch *watch, bool is_fenced)
{
    atomic_store_explicit(&watch->due_ns, WATCH_OFF, memory_order_relaxed);
    watch_fence(is_fenced);
    if (GBX_UNLIKELY(atomic_load_explicit(&watch->is_firing, memory_order_relaxed)))
        gbx_runtime_watch_await(w, watch);
}

/* ---- lane.c: what a running call needs and an idle store does not (S18, S19) */

typedef struct runtime_seat runtime_seat;
typedef struct runtime_lane runtime_lane;
struct runtime_lane {
    runtime_lane *next; /* in the engine's list of free ones */
    int stop_fd;        /* open until the engine dies: see gbx_runtime_store_cancel */
    u64 tenant;         /* of the store it ran for last; 0: its stacks are as new */
    u64 wanted_bytes;   /* stack that was asked for; what there is may be less */
    u8 *region;         /* guard, stack, guard; NULL: none yet */
    size_t region_bytes;
    gbx_slot *stack, *stack_end;
    u8 *high_region; /* a twin of region for high halves; NULL: none yet */
    enter_stack native; /* of compiled code; closed until such code is to run */
};

typedef struct runtime_lanes {
    pthread_mutex_t lock;
    runtime_lane *free;
    u32 free_count;
    runtime_seat *seats; /* that have a lane of these; under the lock of seat.c */
} runtime_lanes;

void gbx_runtime_lanes_init(runtime_lanes *l);
void gbx_runtime_lanes_deinit(runtime_lanes *l); /* all lanes must be back */
/* A lane with a stack of `stack_bytes`, or less where address space is short. NULL: *why says which
 * resource is missing. */
GBX_MUST_USE runtime_lane *gbx_runtime_lane_get(runtime_lanes *l, u64 stack_bytes, const char **why);
/* It will run for a store that is `tenant`: nothing another one left on the stacks stays there. */
void gbx_runtime_lane_let(runtime_lane *lane, u64 tenant, os_written *w);
/* Make the twin of the stack, if there is none: its distance in slots, 0 where it cannot be had. */
GBX_MUST_USE i64 gbx_runtime_lane_high(runtime_lane *lane);
/* Give back what a long call may have touched of the interpreter's stack. */
void gbx_runtime_lane_trim(runtime_lane *lane);
void gbx_runtime_lane_put(runtime_lanes *l, runtime_lane *lane);

/* ---- seat.c: what a thread keeps from one call to the next; see there */

struct runtime_seat {
    /* Whose calls may begin without more ado, if it says so too; never followed. */
    _Atomic(const gbx_store *) store;
    u64 tick; /* gbx_base_os_tick at the last look, and gbx_runtime_seat_signals; 0: the next call looks */
    struct timespec now; /* for gbx_base_os_tick */
    u64 looked_ns;
    u32 streak;    /* looks that came soon after each other */
    u32 calls;     /* that run on this thread now, without those that nest in their own store's */
    bool is_ready; /* for faults */
    bool is_lent;  /* what makes it ready goes back after each call */
    runtime_lane *lane;
    runtime_lanes *lanes; /* whose it is */
    runtime_seat *next, **link;
    fault_thread thread;
    u8 *alt;
    size_t alt_bytes;
};

extern _Thread_local runtime_seat *gbx_runtime_seat_mine __attribute__((tls_model("initial-exec")));
extern _Atomic u64 gbx_runtime_seat_signals; /* how often the host said that it changed handlers */

/* This thread's, with a lane and all else that a call of `s` needs; s says so until another store sits
 * there. False: *why says what is missing. Counts the call; each is given back. */
GBX_MUST_USE bool gbx_runtime_seat_take(gbx_store *s, const char **why);
void gbx_runtime_seat_give(gbx_store *s);
void gbx_runtime_seats_end(runtime_lanes *l); /* they get back what threads have of them */

typedef struct runtime_instance runtime_instance;

/* ---- tier.c: compiled code beside the interpreter */

typedef struct runtime_compiler {
    gbx_tier_mode mode;
    u32 tune, warm_factor;
    u32 watched_calls; /* of syscall.Getenv, of a module; UINT32_MAX: all. See probes.c */
    published_to published;
    pthread_mutex_t lock; /* of what is below */
    bool is_tried, works;
    code_region region;
    codegen_space *space;
    struct {
        u64 funcs, bytes, ns;
    } made; /* functions for which code was made, the code, and the time that it took; of all modules */
} runtime_compiler;

/* Why a function has no code: bits of facts.beyond, and behind them these. */
enum {
    TIER_REFUSED_BEFORE = FACTS_BEYOND_COUNT - 1,
#define TIER_REFUSED(name, slug, reason) TIER_REFUSED_AT_##name,
#include "runtime/refusals.def"
#undef TIER_REFUSED
    TIER_REFUSED_END
};
enum {
#define TIER_REFUSED(name, slug, reason) TIER_REFUSED_##name = 1 << TIER_REFUSED_AT_##name,
#include "runtime/refusals.def"
#undef TIER_REFUSED
};
_Static_assert(TIER_REFUSED_END + GBX_CELL_WHY_SHIFT <= 32, "they are part of gbx_cell.state");

/* What was compiled; times are those of the monotonic clock. Under the compiler's lock. */
typedef struct compiled_figures {
    u32 compiled, refused;      /* functions; of the former some may have come from the code cache */
    u64 body_bytes, code_bytes; /* of those compiled */
    u64 facts_ns, emit_ns, publish_ns;
    u64 take_ns; /* that taking code over from the code cache took */
} compiled_figures;

/* The compiled side of a module; all zero while it has none. */
struct module_code {
    _Atomic bool is_open; /* what follows is set */
    code_space space;
    codegen_env env;
    gbx_cell *cells;
    runtime_closed closed;
    gbx_body *bodies;         /* under the compiler's lock */
    published_list published; /* the same */
    cache_entry cache;        /* from the module's beginning on */
    u32 taken;                /* functions, from the cache; under the compiler's lock */
    u64 taken_bytes;          /* of code; the same */
    compiled_figures figures; /* the same */
    u64 most_bytes;           /* that code of its functions may take */
    _Atomic u32 entered;      /* bits of probes, and of the next how many calls are still to be watched */
    _Atomic u32 watched_left;
    const gbx_body *held[WASM_PROBE_COUNT]; /* code of probes that were not called; under the lock */
    gbx_cell *probe_cells; /* where all is interpreted; NULL: it was not instantiated so */
};

void gbx_runtime_compiler_init(runtime_compiler *c, gbx_tier_mode mode);
void gbx_runtime_compiler_deinit(runtime_compiler *c);
void gbx_runtime_module_code_deinit(gbx_module *m);
/* Under the compiler's lock: the module's functions may be compiled from now on. False: never. */
bool gbx_runtime_tier_open(gbx_module *m, bool is_guarded);
/* Under the lock: `out`, made of a function that has no code in so much time, becomes its code; or there is
 * none, and `why` says why. 0, or why there is none. */
u32 gbx_runtime_tier_settle(runtime_compiler *c, module_code *mc, const wasm_code *code,
                            const codegen_out *out, u32 why, u64 spent_ns);
/* whole.c: compile all functions of a module that has not been instantiated. */
GBX_MUST_USE gbx_code gbx_runtime_whole_compile(gbx_module *m, gbx_progress_fn progress, void *data,
                                                gbx_err *err);
/* The instance's functions may be compiled from now on, if the module's can. */
void gbx_runtime_tier_instance(runtime_instance *i);
/* Code that the cache has of a module, before it is called, until `ends`. Thread-safe. */
void gbx_runtime_tier_take_ahead(gbx_module *m, const _Atomic bool *ends);
/* The function, if it has no code. Thread-safe. */
void gbx_runtime_tier_compile(gbx_module *m, u32 func_idx);
/* An outermost call is seated. */
void gbx_runtime_tier_begin(gbx_store *s);
/* For tier_call.h: what compiled code of `inst` finds; and the segment was left with GBX_STATUS_CALL. */
void gbx_runtime_tier_show(gbx_native *n, gbx_instance *inst);
void gbx_runtime_tier_called_out(gbx_exec *x, gbx_segment *seg);
/* A call went deep in compiled code: what it touched is given back. */
void gbx_runtime_tier_trim(gbx_store *s);
/* What the interpreter counts down from before a function of so many bytes is compiled. */
i32 gbx_runtime_tier_heat(const gbx_module *m, u32 body_bytes);
/* A function with a body was interpreted; of a module whose code is open. */
bool gbx_runtime_tier_ran(const gbx_module *m, u32 func_idx);

/* ---- probes.c */

typedef struct runtime_asked runtime_asked;

typedef enum probe_answer {
    PROBE_NONE,  /* a function like others */
    PROBE_FIRST, /* a probe's first call: it is not warm yet */
    PROBE_HELD,  /* is not to be compiled as yet */
} probe_answer;

/* `f` has no code and is called, with args, or goes round in a loop, and then args is NULL. */
probe_answer gbx_runtime_probe_entered(gbx_exec *x, const gbx_func *f, const gbx_slot *args);
/* Its calls are still noted one by one: it has no code. */
bool gbx_runtime_probe_is_watched(const module_code *mc, u32 probe);
/* An instance whose functions are not compiled: its probes are counted. */
void gbx_runtime_probes_instance(runtime_instance *i);
void gbx_runtime_asked_free(runtime_asked *a); /* NULL is fine */

/* ---- pieces.c */

#define RUNTIME_PIECE_BYTES ((size_t)256 << 10)

u32 gbx_runtime_pieces_count(size_t len);
/* Begin to read `len` bytes of a file from its start, but the first `from`, which are there (fd -1: all
 * are), and to tag their pieces for `d` (not open: not). By as many threads as the engine may have. Until
 * the end nobody else writes to the bytes or frees them. NULL: memory is short. */
GBX_MUST_USE module_pieces *gbx_runtime_pieces_begin(const gbx_engine *e, const cache_dir *d, int fd,
                                                     u8 *bytes, size_t from, size_t len);
/* All are there. False: they cannot be read. */
GBX_MUST_USE bool gbx_runtime_pieces_read(module_pieces *p);
/* Their tags, which live until the end. NULL: they cannot be read, or `d` is not open. */
GBX_MUST_USE const mac_tag *gbx_runtime_pieces_tags(module_pieces *p);
/* The thread that takes part in them in a command, which is the caller's from now on. NULL: there is none. */
struct module_early *gbx_runtime_pieces_give_early(module_pieces *p);
void gbx_runtime_pieces_end(module_pieces *p); /* NULL is fine */

/* ---- pool.c: instances of released stores, kept for the next tenant */

/* In two rings at once, of all idle instances of an engine and of those of their home; newest first. */
typedef struct pool_link pool_link;
struct pool_link {
    pool_link *prev, *next;
};

typedef struct runtime_pool {
    u32 slots_max; /* 0: nothing is kept */
    u64 bytes_max;
    os_written written;
    pthread_mutex_t lock; /* of what is below, and of the modules' rings */
    u32 slots;
    u64 bytes; /* that idle instances take */
    pool_link all;
} runtime_pool;

/* As gbx_engine_opts has them. */
void gbx_runtime_pool_init(runtime_pool *p, u32 slots, u64 bytes);
void gbx_runtime_pool_deinit(runtime_pool *p); /* all modules are gone, and their instances with them */
/* An idle instance of that home, as new but for its imports, globals and tables; NULL: there is none. */
GBX_MUST_USE runtime_instance *gbx_runtime_pool_take(runtime_pool *p, const pool_link *home);
/* Whether one more of that home is worth being put right: it may still have to go. */
GBX_MUST_USE bool gbx_runtime_pool_wants(runtime_pool *p, const pool_link *home);
/* Bytes of written memory that an idle instance may keep. */
GBX_MUST_USE u64 gbx_runtime_pool_room(const runtime_pool *p);
/* Takes `i` over, which has been put right and holds no reference to its home; others may have to go. */
void gbx_runtime_pool_put(runtime_pool *p, runtime_instance *i);
void gbx_runtime_pool_forget(runtime_pool *p, const pool_link *home); /* free the idle ones of a home */

/* ---- keep.c: engines and modules that were released, kept for who wants them again */

typedef struct keep_entry keep_entry;

typedef struct keep_engine {
    bool is_on, is_spoilt; /* a spoilt one is not kept: it is no longer as its options say */
    bool is_kept, is_busy; /* nobody has it; it is about to be kept */
    pid_t pid;
    gbx_engine_opts opts; /* what it was made with, but for the cache's directory */
    u64 keep_ns, since_ns;
    gbx_engine *next;
    map entries;
    keep_entry *newest, *oldest; /* of those that nobody has */
    u64 idle_count, idle_bytes;
} keep_engine;

/* One that is kept and as good as a new one, whose only reference it becomes; NULL: there is none. */
GBX_MUST_USE gbx_engine *gbx_runtime_keep_take(const gbx_engine_opts *opts, const cache_dir *cache);
void gbx_runtime_keep_begin(gbx_engine *e, const gbx_engine_opts *opts);
void gbx_runtime_keep_spoil(gbx_engine *e);
void gbx_runtime_keep_release_engine(gbx_engine *e);
void gbx_runtime_keep_end(gbx_engine *e); /* frees what it keeps; nobody has the engine */
/* For what the pieces of a module are tagged. Not open: for nothing. */
const cache_dir *gbx_runtime_keep_tagger(const gbx_engine *e);
/* Of a module of `len` bytes whose pieces have these tags; `code` (or NULL): that of the code that comes
 * with it and is used. */
mac_tag gbx_runtime_keep_id(const gbx_engine *e, const mac_tag *tags, size_t len, const mac_tag *code);
/* The module with that id, with one reference more. NULL: the caller makes it, and says so of *mine,
 * which is NULL where memory is short. */
GBX_MUST_USE gbx_module *gbx_runtime_keep_find(gbx_engine *e, const mac_tag *id, keep_entry **mine);
void gbx_runtime_keep_made(keep_entry *mine, gbx_module *m); /* m NULL: it could not be made */
void gbx_runtime_keep_release(gbx_module *m); /* one that has an entry */

/* What it keeps at this moment. */
void gbx_runtime_keep_of(const gbx_engine *e, u64 *modules, u64 *bytes);

/* ---- figures.c: what is counted; see gbx/metrics.h */

typedef struct figures_label figures_label;

typedef struct engine_figures {
    pthread_mutex_t lock; /* of what follows */
    gbx_store *stores;    /* alive */
    map by_name;
    figures_label *labels;
    _Atomic u64 compilations, avoided, compile_ns, module_bytes; /* without the lock */
} engine_figures;

void gbx_runtime_figures_init(engine_figures *f);
void gbx_runtime_figures_reset(engine_figures *f); /* as of an engine that is new; no store is alive */
void gbx_runtime_figures_deinit(engine_figures *f);
void gbx_runtime_figures_add(gbx_metrics *to, const gbx_metrics *from);
/* The store is there, and has its name. False: memory is short. */
GBX_MUST_USE bool gbx_runtime_figures_begin(gbx_store *s);
void gbx_runtime_figures_home(gbx_store *s, gbx_module *m); /* the first instance is one of m's */
void gbx_runtime_figures_end(gbx_store *s); /* while its instances are there */
/* Around an outermost call that is timed. */
void gbx_runtime_figures_time(gbx_store *s);
void gbx_runtime_figures_timed(gbx_store *s);
void gbx_runtime_figures_instance(gbx_store *s, runtime_instance *i, u64 spent_ns);

typedef struct store_figures {
    _Atomic u64 calls, calls_timed, wall_ns, cpu_ns, fuel, memory_bytes, instances, instances_pooled,
            instantiate_ns;
    _Atomic u64 traps[GBX_TRAP_CODE_COUNT];
    wasi_figures wasi;
} store_figures;

/* ---- engine.c */

void gbx_runtime_engine_free(gbx_engine *e);
/* Nobody has it: what costs others something while it is kept, its threads and descriptors, goes. */
void gbx_runtime_engine_rest(gbx_engine *e);

struct gbx_engine {
    _Atomic u64 refs;
    runtime_types types;
    runtime_hostsets hostsets;
    runtime_watcher watcher;
    runtime_lanes lanes;
    u64 features_off;
    bool checked; /* what is behind a view is taken away while guests run: view.c */
    u32 threads; /* of a compilation; 0: as many as there are processors */
    runtime_compiler compiler;
    cache_dir cache;
    runtime_pool pool;
    keep_engine keep;
    bool times_all; /* each call is timed */
    bool is_command;  /* see gbx/unstable/command.h */
    u64 memory_bytes;  /* that a memory may have, in a command */
    size_t heap_bytes; /* blocks of less come out of a heap in huge pages; 0: it has none */
    engine_figures figures;
};

/* ---- module.c */

/* Nobody has it. Its engine is not released. */
void gbx_runtime_module_free(gbx_module *m);
u64 gbx_runtime_module_bytes(const gbx_module *m); /* that it takes, about */

typedef struct module_name {
    map_node node; /* keyed by function index */
    u32 func_idx;
    char text[]; /* escaped, NUL-terminated */
} module_name;

/* ---- frames.c: backtraces for people */

/* Frames of a call that ended, at most GBX_TRAP_FRAMES. `has_places`: with function, file and line of Go. */
void gbx_runtime_frames_copy(const gbx_exec *x, bool has_places, gbx_trap *trap);
void gbx_runtime_frames_deinit(gbx_module *m);

enum { MODULE_IMAGE_UNUSED, MODULE_IMAGE_UNTRIED, MODULE_IMAGE_NONE, MODULE_IMAGE_READY };

/* What active data segments make of memory 0; see image.c. Immutable once `state` is MODULE_IMAGE_READY. */
typedef struct module_image {
    _Atomic u32 state;
    os_image os;      /* closed where there is no data */
    u64 start;        /* where it lies in the memory */
    u64 from, to;     /* of which this part is data; 0: there is none */
    bool has_passive; /* the module has segments that are not active */
    u32 *items;       /* function indices of the active element segments that have such, one by one */
} module_image;

/* ---- early.c: what a command's first instance needs */

#define EARLY_ASKED 64u /* functions; for more of them the guest waits */
enum { EARLY_BEGUN, EARLY_KNOWN, EARLY_MADE, EARLY_FILLED, EARLY_RUNS, EARLY_ENDS };

/* A module's. */
typedef struct module_early {
    void (*first)(void *data); /* what the thread does before anything else */
    void *first_data;
    pthread_t thread;
    bool is_stopped; /* the thread was joined */
    gbx_module *module;
    const wasm_module *wasm;
    _Atomic bool ends;    /* as soon as can be */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool is_free;      /* `first` is done */
    u32 stage;         /* only grows */
    gbx_memory memory; /* base NULL: none was made, or it was taken */
    bool is_filled;
    u32 asked[EARLY_ASKED], asked_first, asked_count; /* a ring: functions to be compiled */
} module_early;

/* A thread that does first(data) and waits for a module. NULL: there is none. */
GBX_MUST_USE module_early *gbx_runtime_early_new(void (*first)(void *data), void *data);
void gbx_runtime_early_wait_first(module_early *e); /* first(data) is done */
/* The sections of `w`, which will be m's, have been decoded. */
void gbx_runtime_early_begin(module_early *e, gbx_module *m, const wasm_module *w);
/* Before a module's wasm is freed, or a memory that was taken. More than once is fine. */
void gbx_runtime_early_stop(gbx_module *m);
void gbx_runtime_early_end(module_early *e); /* NULL is fine */
/* True: *mem is memory 0 of an instance in a store with these limits, but for its data. Thread-safe. */
GBX_MUST_USE bool gbx_runtime_early_take(gbx_module *m, const runtime_limits *limits, gbx_memory *mem);
/* True: the memory that was taken has all its active data; false: it is as a new one. */
GBX_MUST_USE bool gbx_runtime_early_wait_filled(gbx_module *m);
/* The instance that took it is complete, data and all, and has code if it can have any. */
void gbx_runtime_early_go(gbx_module *m);
/* The function is to be compiled while the guest goes on. False: it is not, or was asked for before and not
 * begun; whoever wants it does it. */
GBX_MUST_USE bool gbx_runtime_early_ask(gbx_module *m, u32 func_idx);

struct gbx_module {
    _Atomic u64 refs;
    gbx_engine *engine;
    keep_entry *kept; /* NULL: it is freed with its last reference */
    wasm_module *wasm;
    u64 ready_ns; /* spent on making functions ready one by one, under the lock */
    runtime_type **types; /* by type index; equal ones share one reference, that of the lowest index */
    u32 *type_ids;

    /* Texts for people, made when first asked for. */
    pthread_mutex_t lock;
    arena texts;
    gbx_extern_info *imports, *exports; /* NULL until asked for; name NULL: not made yet */
    bool is_program, is_library; /* see life.c */
    u32 initialize;              /* function, of a library */
    map names;
    bool go_is_known; /* `go` was looked for */
    go_table go;
    go_world go_lines; /* what expands its frames, from `go` */
    map go_texts; /* by address */

    module_code code;
    module_image image;
    module_early *early; /* owned; NULL: there is none */
    u64 read_ns, lookup_ns, decode_ns; /* see gbx/unstable/times.h */
    _Atomic u64 image_ns;
    _Atomic u64 avoided; /* compilations that gave it again */
    gbx_metrics ended;   /* of stores that were its; under the lock of the engine's figures */
    pool_link idle; /* ring of its instances in the engine's pool, under the pool's lock */
};

/* ---- shipped.c: a module that comes with code, in one file */

#define SHIPPED_UNKNOWN_LEN UINT64_MAX
#define SHIPPED_HEAD_BYTES  ((size_t)200)

/* What is known of such a file. Zeroed: it is none. */
typedef struct shipped {
    bool is_one;
    bool is_making;      /* the module is to get code: there is none yet */
    u64 module_len;
    mac_tag module, code;
    const char *why_not; /* its code is not used; "": it is */
    u64 read_ns;         /* that reading the file took, whether it is one or not */
    cache_file part;     /* its code: not open; fd, or data, is owned */
} shipped;

bool gbx_runtime_shipped_is(const u8 *bytes, size_t len);
/* From the beginning of a file of file_len bytes (or SHIPPED_UNKNOWN_LEN) that is one: GBX_UNTRUSTED,
 * GBX_TRUNCATED, GBX_MALFORMED, GBX_LIMIT, GBX_UNSUPPORTED. */
GBX_MUST_USE gbx_code gbx_runtime_shipped_begin(shipped *s, const gbx_engine *e, gbx_trust trust,
                                                const u8 *bytes, size_t len, u64 file_len, const char *what,
                                                gbx_err *err);
/* The module is what it was when the file was made. */
GBX_MUST_USE gbx_code gbx_runtime_shipped_check_module(const shipped *s, const gbx_engine *e, u8 *bytes,
                                                       size_t len, gbx_err *err);
void gbx_runtime_shipped_end(shipped *s);

/* Counting references, and making what is made once, changes nothing a module is. */
gbx_module *gbx_runtime_module_mutable(const gbx_module *m);

/* ---- match.c: types of things that are imported and exported */

typedef struct extern_type {
    wasm_extern kind;
    union {
        const wasm_functype *func;
        wasm_tabletype table;
        wasm_limits memory;
        wasm_globaltype global;
        const wasm_functype *tag;
    } of;
} extern_type;

/* What a module declares under this kind and index. */
extern_type gbx_runtime_extern_wanted(const wasm_module *w, wasm_extern kind, u32 idx);
/* What there is now: tables and memories have grown. */
extern_type gbx_runtime_extern_given(runtime_extern ext);
/* "(i32) -> ()", "memory of 1 to 4 pages", "table of 10 or more funcref", "mutable i32"; cut to fit. */
void gbx_runtime_extern_print(extern_type t, char *buf, size_t cap);

/* ---- open.c */

/* A path as it stands in messages: in quotes, escaped, cut to fit. */
void gbx_runtime_open_show(const char *path, char *what, size_t cap);

/* Refuse bytes that cannot be a core module, naming what they are. `len` bytes of the beginning are
 * enough; `what` is said of the whole ("\"app.wasm\"", "the module"). */
GBX_MUST_USE gbx_code gbx_runtime_sniff(const u8 *bytes, size_t len, const char *what, gbx_err *err);

/* ---- memory.c, table.c */

/* Bytes reserved around a guarded memory (S3): an access at base + u32 + folded offset lands inside. */
#define MEMORY_PRE_GUARD_BYTES (2ull << 30)
#define MEMORY_GUARDED_BYTES ((4ull << 30) + (2ull << 30))
#define MEMORY_PAGE_BYTES ((u64)65536)
#define MEMORY_HUGE_PAGE_BYTES ((u64)2 << 20) /* what x86-64 and aarch64 systems have; others lose a hint */

/* `limit_bytes`: what the store allows. `what` names the memory in err. */
GBX_MUST_USE gbx_code gbx_runtime_memory_init(gbx_memory *mem, const wasm_limits *type,
                                              u64 limit_bytes, const char *what, gbx_err *err);
/* Before it is first touched. Without guards it has no effect: address space is scarce then, and no unit of
 * it aligned. */
void gbx_runtime_memory_use_huge_pages(gbx_memory *mem);
void gbx_runtime_memory_deinit(gbx_memory *mem); /* a zeroed one is fine */
/* A memory of that type that was reset, for a store with that limit. */
GBX_MUST_USE gbx_code gbx_runtime_memory_reuse(gbx_memory *mem, const wasm_limits *type, u64 limit_bytes,
                                               const char *what, gbx_err *err);
/* Hide what it has grown to beyond `bytes`. False where the system refuses. RULE: S4: the caller has
 * zeroed it. */
GBX_MUST_USE bool gbx_runtime_memory_shrink(gbx_memory *mem, u64 bytes);
/* Old size in pages, or UINT64_MAX where it cannot grow. */
GBX_MUST_USE u64 gbx_runtime_memory_grow(gbx_memory *mem, u64 delta_pages);

/* `left`: elements that the store's tables may still have, gbx_store.table_left. */
GBX_MUST_USE gbx_code gbx_runtime_table_init(gbx_table *t, const wasm_tabletype *type, u64 *left,
                                             const char *what, gbx_err *err);
void gbx_runtime_table_deinit(gbx_table *t, u64 *left); /* a zeroed one is fine */
/* All null again and of its first length, which is no longer counted. */
void gbx_runtime_table_reset(gbx_table *t, const wasm_tabletype *type, u64 *left);
/* As init, of a table that was reset. */
GBX_MUST_USE gbx_code gbx_runtime_table_reuse(gbx_table *t, const wasm_tabletype *type, u64 *left,
                                              const char *what, gbx_err *err);
/* Old length, or UINT64_MAX where it cannot grow. New elements are `init`. */
GBX_MUST_USE u64 gbx_runtime_table_grow(gbx_table *t, gbx_slot init, u64 delta, u64 *left);

/* ---- life.c: see its head */

typedef enum instance_life {
    LIFE_READY,    /* calls may come */
    LIFE_FRESH,    /* `_initialize` has to run first */
    LIFE_STARTING, /* it is running */
    LIFE_POISONED, /* a trap left it in the middle of something */
    LIFE_ENDED,    /* it exited */
} instance_life;

void gbx_runtime_life_look(gbx_module *m);
void gbx_runtime_life_set(runtime_instance *i, instance_life life);
/* Before a call of `f` in a store that has unready instances; may run `_initialize`. */
GBX_MUST_USE gbx_trap_code gbx_runtime_life_enter(const gbx_func *f, gbx_trap *trap);
/* After a call that did not return, with its frames still in the store. */
void gbx_runtime_life_ended(gbx_store *s, const gbx_func *f, gbx_trap_code code);

/* ---- instance.c, init.c */

struct runtime_instance {
    gbx_instance abi; /* first: a gbx_instance is always one of these */
    gbx_module *module;
    runtime_instance *next; /* in the store's list */
    gbx_slot **elem_items;  /* by segment: evaluated items, made by the first table.init; or NULL */
    gbx_memory *own_memories;
    gbx_table *own_tables;

    const module_image *image; /* what its memory begins with; NULL: the segments are copied */
    bool is_mapped;            /* the image is mapped, not copied */
    bool is_reused;            /* from the pool: its memory is as it begins */
    bool is_early;     /* its memory was made by a thread that may touch it still: early.c */
    bool awaits_early; /* and the same copies its data segments there */
    bool is_huge;
    u32 own_memory_count, own_table_count, elem_count;
    size_t block_bytes;
    u64 idle_bytes;  /* that it takes in the pool */
    pool_link *home; /* ring of the module, or of the snapshot it began with */
    pool_link in_pool, in_home;
    runtime_snapshot *snapshot; /* NULL: it began as its module says */
    char *name;                 /* owned; NULL: none */

    instance_life life;
    gbx_trap_code end_code; /* how the call ended that ended it too, and of which function; UINT32_MAX: of */
    u32 end_func;           /* another instance's */
    i32 end_status;
    gbx_func *initialize; /* what hosts are given as `_initialize`; NULL: nobody asked */
    bool has_resume;      /* see snapshot.c of api/ */
    u32 resume, renews;
};

/* Both may be NULL. GBX_ARGUMENT: one is too long, or not UTF-8; GBX_NO_MEMORY. Before anybody else sees
   the store. */
GBX_MUST_USE gbx_code gbx_runtime_name_store(gbx_store *s, const char *name, const char *tenant,
                                             gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_name_instance(runtime_instance *i, const char *name, gbx_err *err);

static inline bool
instance_is_own(const runtime_instance *i, const gbx_func *f)
{
    return f->inst == &i->abi;
}

static inline runtime_instance *
instance_of(const gbx_instance *inst)
{
    return (runtime_instance *)(uintptr_t)inst;
}

/* What memory and table k of an instance begin with; memories, tables and globals of its own as they
 * begin; and then what the guest does. trap is not NULL. */
wasm_limits gbx_runtime_instance_memory_type(const runtime_instance *i, u32 k);
wasm_tabletype gbx_runtime_instance_table_type(const runtime_instance *i, u32 k);
GBX_MUST_USE gbx_code gbx_runtime_instance_make_own(runtime_instance *i, gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_instance_start(runtime_instance *i, gbx_trap *trap, gbx_err *err);

/* Its store is released: into the pool, or freed. */
void gbx_runtime_instance_release(runtime_instance *i);
/* Free one that is in no store any more. */
void gbx_runtime_instance_free(runtime_instance *i);

/* Apply the active segments in order; what was written before a trap stays. */
GBX_MUST_USE gbx_trap_code gbx_runtime_init_segments(runtime_instance *i, gbx_trap *trap);
/* Evaluate all items of an element segment into out. */
void gbx_runtime_init_items(const gbx_instance *inst, const wasm_elem *seg, gbx_slot *out);
wasm_value gbx_runtime_init_const(const gbx_instance *inst, wasm_const c);

/* ---- image.c */

/* The image of a module that an instance is to be made of; NULL where it has none, and for the first
 * instance: it is built with the second, since a module may be instantiated but once. Thread-safe. */
GBX_MUST_USE const module_image *gbx_runtime_image_get(gbx_module *m);
GBX_MUST_USE const module_image *gbx_runtime_image_find(const gbx_module *m); /* only if it was built */
void gbx_runtime_image_deinit(gbx_module *m);
/* Nothing that instantiation writes can trap or depend on an import; active data of `bytes` bytes in all lies
 * within [*from, *to). */
bool gbx_runtime_image_is_exact(const wasm_module *w, u64 *from, u64 *to, u64 *bytes, bool *has_passive);
/* Active data, in order, where memory 0 begins at `bytes - start`. */
void gbx_runtime_image_fill(const wasm_module *w, u8 *bytes, u64 start);
/* Give a memory that is all zero its data. True: it is mapped. */
bool gbx_runtime_image_begin(const module_image *img, gbx_memory *mem, bool may_map);
/* Make a memory as it began, whatever was written to it: at most `keep` bytes of written pages stay, and
 * are put right; the rest is given back. Returns how many stay. */
u64 gbx_runtime_image_restore(const module_image *img, gbx_memory *mem, bool is_mapped, os_written *w,
                              u64 keep);

/* ---- snapshot.c: see its head, and gbx/snapshot.h */

typedef struct snapshot_memory {
    u64 pages;
    module_image image;
} snapshot_memory;

typedef struct snapshot_table {
    u64 len;
    u32 *items; /* 0: null, else 1 + function index */
} snapshot_table;

/* Immutable but for what counts and the ring. Of memories, tables and globals: the module's own. */
struct runtime_snapshot {
    _Atomic u64 refs;
    gbx_module *module;
    snapshot_memory *memories;
    snapshot_table *tables;
    wasm_value *globals; /* functions as in tables */
    bool *data_dropped, *elem_dropped;
    bool is_fresh; /* `_initialize` had not run */
    pool_link idle; /* as gbx_module.idle */
};

runtime_snapshot *gbx_runtime_snapshot_retain(runtime_snapshot *snap);
/* Memories, tables, globals and flags as they were. Where `i` was reused its memory is already. */
void gbx_runtime_snapshot_apply(const runtime_snapshot *snap, runtime_instance *i);

/* ---- exn.c */

/* NULL when memory is short, or the store's bound is met. */
GBX_MUST_USE gbx_exn *gbx_runtime_exn_new(gbx_store *s, const gbx_tag *tag, const gbx_slot *values);
void gbx_runtime_exns_free(gbx_store *s);

/* ---- store.c */

/* A number that no store has had: see gbx_store.tenant. */
u64 gbx_runtime_store_new_tenant(void);

#define STORE_STANDS ((const runtime_seat *)(uintptr_t)1)

/* Something with a v128 is about to enter the store. */
GBX_MUST_USE gbx_code gbx_runtime_store_need_v128(gbx_store *s, gbx_err *err);

typedef struct runtime_owned {
    struct runtime_owned *next;
    void *obj;
    void (*free_obj)(void *obj);
} runtime_owned;

/* A function of the host's: the only gbx_func without code. */
typedef struct runtime_host_func {
    gbx_func func; /* first */
    runtime_type *type;
    gbx_store *store;
} runtime_host_func;

/* One call of so many is timed. */
#define FIGURES_SAMPLE 1024u

struct gbx_store {
    gbx_exec exec;
    _Atomic int stop_fd; /* of the last call's lane, for gbx_runtime_store_cancel; -1: none ever ran */
    gbx_engine *engine;
    u64 tenant; /* no other store ever has this number, which is not 0 */
    runtime_limits limits;
    u64 table_left; /* of limits.table_elems */
    i64 fuel_given; /* in all; used is that less exec.fuel. INT64_MAX: no bound */
    runtime_watch watch;

    runtime_seat *seat; /* and lane: of the running call, or the last one */
    runtime_lane *lane;
    /* Where it may call again without more ado; never followed. STORE_STANDS: nowhere. */
    const runtime_seat *sits;
    u64 due_ns;    /* of calls until the seat looks at the clock again; WATCH_OFF: never */
    u64 fuel_counted; /* in figures.fuel */
    bool is_plain; /* that is exact enough, and the watcher does without fences */
    /* A call with none of these three begins at once. */
    u32 depth;      /* calls now nested */
    u32 unready;    /* instances that are not LIFE_READY */
    u32 is_special; /* not plain, metered, or every call is timed */
    bool memory_was_refused; /* one could not grow as far as a guest wanted */
    bool has_ended; /* a call did, by a trap or an exit: somewhere guest state may be half made */
    bool has_code; /* of some instance: functions may be compiled */
    const gbx_tier *probe_tier; /* NULL, or what x->tier is where there is no other */
    runtime_asked *env_asked, *zones_asked; /* owned; NULL: nothing was noted */
    u32 entered; /* bits of probes, as far as they are noted; see probes.c */

    bool has_v128; /* running calls need a twin of the stack */
    gbx_exn *exns;
    u64 exn_bytes, exn_next; /* what they take, and when to look again for those nobody holds */

    runtime_instance *instances;
    gbx_linker *linkers;
    runtime_owned *owned;
    gbx_views *views; /* owned; NULL: none was ever opened */
    void *wasi;

    char *name, *tenant_name; /* owned; NULL: none */
    store_figures figures;
    u64 memory_now; /* of figures.memory_bytes, which is the most that it ever was */
    bool is_timed; /* the running call is */
    u64 timed_wall_ns, timed_cpu_ns;
    gbx_module *home; /* the first that was instantiated; NULL: none yet */
    figures_label *label; /* NULL: it is not in the engine's list */
    gbx_store *next_store, **store_link;
};

/* Memories of the store's instances have grown, or been made. */
static inline void
figure_memory(gbx_store *s, u64 more)
{
    s->memory_now += more;
    if (s->memory_now > atomic_load_explicit(&s->figures.memory_bytes, memory_order_relaxed))
        atomic_store_explicit(&s->figures.memory_bytes, s->memory_now, memory_order_relaxed);
}

/* ---- linker.c */

typedef struct linker_set linker_set;

struct gbx_linker {
    gbx_store *store;
    map defs;
    linker_set *sets; /* newest first; what is in defs was defined later */
    void *wasi;       /* see gbx_runtime_linker_set_wasi */
    gbx_linker *next, **link; /* in the store's list */
    runtime_abi abi; /* its name is owned */
};

/* The store is gone: what was defined goes with it. */
void gbx_runtime_linker_orphan(gbx_linker *l);

#endif
