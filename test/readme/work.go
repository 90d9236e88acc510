// Something that takes some time, for profiles and for explore.
package main

import "fmt"

type node struct{ n int }

//go:noinline
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:noinline
func work(rounds int) (sum int) {
	for i := 0; i < rounds; i++ {
		sum += fib(i % 28)
	}
	return sum
}

func main() {
	fmt.Println(work(600))
}
