//go:build wasip1

// reactor is a library: its exports are called one at a time, after _initialize.
package main

import (
	"fmt"
	"os"
	"strings"
)

var calls int

func init() {
	calls = 100
}

func main() {
	panic("main of a library is never called")
}

//go:wasmexport add
func add(a, b int32) int32 { return a + b }

//go:wasmexport mul64
func mul64(a, b int64) int64 { return a * b }

//go:wasmexport half
func half(v float64) float64 { return v / 2 }

//go:wasmexport narrow
func narrow(v float32) float32 { return v * 0.1 }

//go:wasmexport count
func count() int32 { calls++; return int32(calls) }

//go:wasmexport nothing
func nothing() { fmt.Println("called", len(os.Args), strings.ToUpper(os.Getenv("WHO"))) }

//go:wasmexport spread
func spread(n int32) int64 {
	c := make(chan int64)
	for i := range n {
		go func() { c <- int64(i) * int64(i) }()
	}
	var sum int64
	for range n {
		sum += <-c
	}
	return sum
}

//go:wasmexport fail
func fail(n int32) int32 {
	var a []int32
	return a[n]
}

//go:wasmexport leave
func leave(n int32) { os.Exit(int(n)) }
