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
func huge(n int) [1000]int {
	r := huge(n + 1)
	r[n%1000] += n
	return r
}

//go:noinline
func wide(n int) [64]int {
	r := wide(n + 1)
	r[n&63] += n
	return r
}

func main() {
	switch os.Args[1] {
	case "small":
		println(deeper(0))
	case "wide":
		println(wide(0)[1])
	case "huge":
		println(huge(0)[1])
	}
}
