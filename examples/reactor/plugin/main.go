// A library for the host: built with -buildmode=c-shared, it stays in memory and is called again and again.
package main

var counts = map[int32]int64{}

func init() {
	counts[-1] = 1000 // what package variables and init functions do is done by _initialize
}

//go:wasmexport add
func add(a, b int32) int32 {
	return a + b
}

// note counts how often it was called with each remainder: state that lasts from call to call.
//
//go:wasmexport note
func note(n int32) int64 {
	counts[n%10]++
	return counts[n%10]
}

//go:wasmexport noted
func noted(n int32) int64 {
	return counts[n]
}

func main() {}
