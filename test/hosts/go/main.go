// A Go program that runs guests through cgo: Go's runtime has handlers for the same signals, stacks that
// move, and threads of its own. Prints `PASS name` or `FAIL name` for each thing that must hold.
package main

/*
#cgo pkg-config: gbx
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

var (
	engine *C.gbx_engine
	module *C.gbx_module
	// What env.back does, by the number given to guest_open. Only read while guests run.
	backs  sync.Map
	lastID atomic.Uintptr
)

//export goBack
func goBack(id C.uintptr_t, v C.int32_t) C.int32_t {
	f, _ := backs.Load(uintptr(id))
	return C.int32_t(f.(func(int32) int32)(int32(v)))
}

type guest struct{ c *C.guest }

func open(timeout time.Duration, back func(int32) int32) guest {
	id := lastID.Add(1)
	backs.Store(id, back)
	g := guest{(*C.guest)(C.calloc(1, C.sizeof_guest))}
	if code := C.guest_open(g.c, engine, module, C.uint64_t(timeout.Nanoseconds()), C.uintptr_t(id)); code != 0 {
		panic(C.GoString(&g.c.err.text[0]))
	}
	return g
}

func (g guest) close() {
	C.guest_close(g.c)
	C.free(unsafe.Pointer(g.c))
}

func (g guest) call(name string, a, b int32) (int32, string) {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	var result C.int32_t
	code := C.guest_call(g.c, s, C.int32_t(a), C.int32_t(b), &result)
	return int32(result), C.GoString(C.gbx_trap_slug(code))
}

func must(what bool, format string, args ...any) {
	if !what {
		panic(fmt.Sprintf(format, args...))
	}
}

// Go's own fault, turned into a panic by Go's own handler.
func nilIsRecovered() {
	defer func() {
		err, ok := recover().(runtime.Error)
		must(ok && strings.Contains(err.Error(), "nil pointer"), "recovered %v", err)
	}()
	var p *int
	*p = 1
	panic("nil could be written to")
}

// A fault at an address that is not nil: Go gives it away only with SetPanicOnFault.
func faultIsRecovered() {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		err, ok := recover().(interface{ Addr() uintptr })
		must(ok && err.Addr() == 0x70000, "recovered %v", err)
	}()
	p := uintptr(0x70000)
	**(**byte)(unsafe.Pointer(&p)) = 1
	panic("the address could be written to")
}

func divisionIsRecovered(zero int) {
	defer func() {
		err, ok := recover().(runtime.Error)
		must(ok && strings.Contains(err.Error(), "divide by zero"), "recovered %v", err)
	}()
	fmt.Println(1 / zero)
}

func goIsWell() {
	nilIsRecovered()
	faultIsRecovered()
	divisionIsRecovered(0)
}

func guestTraps(g guest) {
	for _, row := range []struct {
		name string
		arg  int32
		slug string
	}{
		{"oob", 65536, "memory-out-of-bounds"}, {"oob", -1, "memory-out-of-bounds"},
		{"div", 0, "integer-divide-by-zero"}, {"deep", 0, "stack-exhausted"}, {"gone", 0, "unreachable"},
	} {
		_, slug := g.call(row.name, row.arg, 0)
		must(slug == row.slug, "%s: %s", row.name, slug)
	}
	v, slug := g.call("add", 40, 2)
	must(v == 42 && slug == "none", "add gave %d, %s", v, slug)
}

// A stack that Go has to move while C and the guest wait further up.
func grow(n int) int {
	var room [256]int
	room[n%256] = n
	if n == 0 {
		return 0
	}
	return grow(n-1) + room[n%256] - n
}

func testAround() {
	goIsWell()
	g := open(time.Minute, func(v int32) int32 {
		goIsWell()
		runtime.GC()
		return v + 1 + int32(grow(2000))
	})
	defer g.close()
	guestTraps(g)
	goIsWell()
	for i := int32(0); i < 50; i++ {
		v, slug := g.call("through", i, 0)
		must(v == i+1 && slug == "none", "through gave %d, %s", v, slug)
	}
	goIsWell()
}

func testNested() {
	var g guest
	g = open(time.Minute, func(v int32) int32 {
		if v == 0 {
			goIsWell()
			guestTraps(g)
			goIsWell()
			return 100
		}
		r, slug := g.call("through", v-1, 0)
		must(slug == "none", "through: %s", slug)
		return r + 1
	})
	defer g.close()
	v, slug := g.call("through", 20, 0)
	must(v == 120 && slug == "none", "through gave %d, %s", v, slug)
	guestTraps(g)
}

// A panic that leaves the callback would leave C and the guest behind: it is caught in the callback, and the
// guest sees what the host makes of it.
func testPanicInCallback() {
	g := open(time.Minute, func(v int32) (r int32) {
		defer func() {
			if recover() != nil {
				r = -1
			}
		}()
		var m map[string]int
		m["x"] = int(v)
		return 0
	})
	defer g.close()
	v, slug := g.call("through", 3, 0)
	must(v == -1 && slug == "none", "through gave %d, %s", v, slug)
}

// Goroutines by the dozen, garbage collections, preemption (SIGURG) and a profile of the processor (SIGPROF).
func testManyThreads() {
	var profile bytes.Buffer
	must(pprof.StartCPUProfile(&profile) == nil, "no profile")
	stop, wait := make(chan bool), sync.WaitGroup{}
	var collector sync.WaitGroup
	collector.Add(1)
	go func() {
		defer collector.Done()
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
				runtime.Gosched()
			}
		}
	}()
	for i := 0; i < 12; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			g := open(time.Minute, func(v int32) int32 { nilIsRecovered(); return v * 2 })
			defer g.close()
			for n := int32(1); n <= 20; n++ {
				guestTraps(g)
				v, _ := g.call("through", n, 0)
				must(v == 2*n, "through gave %d", v)
				sum, _ := g.call("sum", 1_000_000, 0)
				must(sum == 1784293664, "sum gave %d", sum)
				goIsWell()
			}
		}()
	}
	wait.Wait()
	close(stop)
	collector.Wait()
	pprof.StopCPUProfile()
	must(profile.Len() > 0, "the profile is empty")
}

// The host's own signals arrive while a guest spins, and what Go does with one can end the guest.
func testSignals() {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1, os.Interrupt)
	defer signal.Stop(got)
	g := open(time.Minute, func(v int32) int32 {
		must(syscall.Kill(os.Getpid(), syscall.SIGUSR1) == nil, "kill")
		must(<-got == syscall.SIGUSR1, "another signal")
		return v
	})
	defer g.close()
	v, _ := g.call("through", 5, 0)
	must(v == 5, "through gave %d", v)
	go func() {
		must(syscall.Kill(os.Getpid(), syscall.SIGINT) == nil, "kill")
		must(<-got == os.Interrupt, "another signal")
		C.gbx_store_cancel(g.c.store)
	}()
	_, slug := g.call("spin", 0, 0)
	must(slug == "cancelled", "spin: %s", slug)
	guestTraps(g)
}

// A program that is not to survive does not, and says what Go says.
func testCrashes() {
	for how, words := range map[string]string{
		"nil": "nil pointer dereference", "c": "SIGSEGV", "abort": "SIGABRT"} {
		cmd := exec.Command(os.Args[0], os.Args[1], how)
		out, err := cmd.CombinedOutput()
		exit, ok := err.(*exec.ExitError)
		must(ok && exit.ExitCode() == 2 && strings.Contains(string(out), words) &&
			strings.Contains(string(out), "goroutine "), "%s: %v\n%s", how, err, out)
	}
}

func crash(how string) {
	g := open(time.Minute, nil)
	guestTraps(g)
	nilIsRecovered()
	switch how {
	case "nil":
		var p *int
		*p = 1
	case "c":
		C.bridge_crash()
	case "abort":
		_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
		select {}
	}
}

func main() {
	goIsWell() // before the library was ever called
	var err C.gbx_err
	opts := C.gbx_engine_opts{size: C.sizeof_gbx_engine_opts, tier: C.GBX_TIER_EAGER}
	path := C.CString(os.Args[1])
	if C.gbx_engine_new(&opts, &engine, &err) != 0 ||
		C.gbx_module_compile_file(engine, path, nil, &module, &err) != 0 {
		fmt.Println("FAIL hosts/go/start", C.GoString(&err.text[0]))
		os.Exit(1)
	}
	if len(os.Args) > 2 {
		crash(os.Args[2])
	}
	for _, test := range []struct {
		name string
		run  func()
	}{
		{"around", testAround}, {"nested", testNested}, {"panic-in-callback", testPanicInCallback},
		{"many-threads", testManyThreads}, {"signals", testSignals}, {"crashes", testCrashes},
	} {
		test.run()
		fmt.Println("PASS hosts/go/" + test.name)
	}
	C.gbx_module_release(module)
	C.gbx_engine_release(engine)
	goIsWell()
	fmt.Println("PASS hosts/go/after")
}
