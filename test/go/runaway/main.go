// runaway recurses without end: Go's own limit of the stack is what it must meet.
package main

import "os"

var sink int

//go:noinline
func deeper(n int) int {
	sink += n
	return deeper(n+1) + sink
}

//go:noinline
func wide(n int) [64]int {
	r := wide(n + 1)
	r[n&63] += n
	return r
}

func main() {
	if len(os.Args) > 1 {
		println(wide(0)[1])
	}
	println(deeper(0))
}
