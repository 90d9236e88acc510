// library is a reactor (-buildmode=c-shared) that the tests of the embedding API call into.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

var initialized = 0

func init() { initialized++ }

func main() { panic("main of a library is never called") }

//go:wasmexport initialized
func timesInitialized() int32 { return int32(initialized) }

//go:wasmexport i32
func i32(a, b int32) int32 { return a - b }

//go:wasmexport u32
func u32(a uint32) uint32 { return a / 2 }

//go:wasmexport i64
func i64(a, b int64) int64 { return a * b }

//go:wasmexport f32
func f32(a float32) float32 { return a / 4 }

//go:wasmexport f64
func f64(a float64) float64 { return a / 8 }

//go:wasmexport not
func not(a bool) bool { return !a }

// Buffers that the host fills: kept alive until they are given back.
var buffers = map[uintptr][]byte{}

//go:wasmexport take
func take(bytes uint32) unsafe.Pointer {
	b := make([]byte, bytes)
	p := unsafe.Pointer(unsafe.SliceData(b))
	buffers[uintptr(p)] = b
	return p
}

//go:wasmexport give
func give(p unsafe.Pointer) { delete(buffers, uintptr(p)) }

// The bytes at p reversed, in place, and their sum.
//
//go:wasmexport reverse
func reverse(p *byte, bytes uint32) int64 {
	b := unsafe.Slice(p, bytes)
	var sum int64
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	for _, c := range b {
		sum += int64(c)
	}
	return sum
}

// A string is a pointer and a length for the host.
//
//go:wasmexport length
func length(s string) int32 {
	n := int32(0)
	for range s {
		n++
	}
	return n
}

//go:wasmimport env again
func again(depth int32) int32

//go:wasmexport nest
func nest(depth int32) int32 {
	if depth == 0 {
		runtime.GC()
		return 1
	}
	return again(depth-1) + 1
}

//go:wasmimport env other
func other() int32

//go:wasmexport callOther
func callOther() int32 { return other() + 1 }

// A goroutine goes on while calls run, and waits between them.
var ticks atomic.Int64

//go:wasmexport tick
func tick() {
	go func() {
		for {
			ticks.Add(1)
			time.Sleep(time.Millisecond)
		}
	}()
}

//go:wasmexport ticks
func ticksUntil(more int64) int64 {
	for begin := ticks.Load(); ticks.Load() < begin+more; {
		time.Sleep(time.Millisecond)
	}
	return ticks.Load()
}

//go:noinline
func index(a []int32, n int32) int32 {
	return a[n] // HERE: index
}

//go:wasmexport fail
func fail(n int32) int32 {
	fmt.Fprintln(os.Stderr, "about to fail")
	return index(nil, n) // HERE: fail
}

//go:wasmexport failLater
func failLater() {
	go func() { panic("in a goroutine") }()
	time.Sleep(10 * time.Millisecond)
}

//go:wasmexport recovered
func recovered(n int32) (r int32) {
	defer func() {
		if recover() != nil {
			r = -1
		}
	}()
	return index(nil, n)
}

//go:wasmexport leave
func leave(n int32) { os.Exit(int(n)) }

//go:noinline
func waits() {
	time.Sleep(time.Millisecond)
	for {
		spins++
	}
}

//go:noinline
func around() {
	waits() // HERE: around
}

//go:wasmexport spinAfterWait
func spinAfterWait() {
	around() // HERE: spinAfterWait
}

var spins int64

//go:wasmexport spin
func spin() {
	for {
		spins++ // HERE: spin
	}
}
