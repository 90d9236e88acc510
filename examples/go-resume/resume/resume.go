//go:build wasip1

// Package resume renews, in an instance that began with a snapshot, what Go had taken from its host before
// the snapshot was made. Import it, and name its export to the host:
//
//	gbx_snapshot_opts opts = GBX_SNAPSHOT_OPTS_INIT;
//	opts.resume = "resume";
//	opts.renews = GBX_FROM_RANDOM | GBX_FROM_CLOCK | GBX_FROM_ARGS | GBX_FROM_ENV;
//
// New after it: the generators behind math/rand, math/rand/v2, the order of maps, the choice of select and the
// seeds of new maps; os.Args and the variables of package os. Always new, by themselves: crypto/rand and
// time.Now.
//
// What a program has made of such things it must renew by itself, see Do: package variables with a time or
// a random number in them, rand.New and maphash.MakeSeed, what was read from os.Args. What stays as it was
// and cannot be helped: the hash seeds of maps that exist already, the runtime's hash key, and settings that the
// runtime reads once (GOGC, GOMEMLIMIT; TZ, once a local time was asked for).
package resume

import (
	"os"
	"strings"
	"time"
	"unsafe"
)

var hooks []func()

// Do has f called in every instance that begins with a snapshot, after what this package renews.
func Do(f func()) { hooks = append(hooks, f) }

//go:wasmexport resume
func resume() {
	renewRandom()
	os.Args = list(args_sizes_get, args_get)
	renewEnv()
	_ = time.Now()
	for _, f := range hooks {
		f()
	}
}

func renewEnv() {
	os.Clearenv()
	for _, pair := range list(environ_sizes_get, environ_get) {
		if name, value, ok := strings.Cut(pair, "="); ok {
			if err := os.Setenv(name, value); err != nil {
				panic("resume: " + err.Error())
			}
		}
	}
}

//go:wasmimport wasi_snapshot_preview1 args_sizes_get
func args_sizes_get(count, bytes unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 args_get
func args_get(pointers, bytes unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 environ_sizes_get
func environ_sizes_get(count, bytes unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 environ_get
func environ_get(pointers, bytes unsafe.Pointer) uint32

// list asks WASI for a list of strings.
func list(sizes, get func(a, b unsafe.Pointer) uint32) []string {
	var count, size uint32
	if e := sizes(unsafe.Pointer(&count), unsafe.Pointer(&size)); e != 0 {
		panic("resume: the host does not say how many strings there are")
	}
	pointers, bytes := make([]uint32, count+1), make([]byte, size+1)
	if e := get(unsafe.Pointer(&pointers[0]), unsafe.Pointer(&bytes[0])); e != 0 {
		panic("resume: the host does not give its strings")
	}
	return strings.Split(string(bytes[:size]), "\x00")[:count]
}
