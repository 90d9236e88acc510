// goroutines passes values through channels of all kinds and prints what came out.
package main

import (
	"fmt"
	"runtime"
	"sync"
)

func generate(n int, out chan<- int) {
	for i := 2; i < n; i++ {
		out <- i
	}
	close(out)
}

func filter(p int, in <-chan int, out chan<- int) {
	for v := range in {
		if v%p != 0 {
			out <- v
		}
	}
	close(out)
}

func sieve(n int) []int {
	var primes []int
	c := make(chan int)
	go generate(n, c)
	for {
		p, ok := <-c
		if !ok {
			return primes
		}
		primes = append(primes, p)
		next := make(chan int)
		go filter(p, c, next)
		c = next
	}
}

func ring(size, laps int) int {
	first := make(chan int)
	in := first
	for i := 0; i < size; i++ {
		out := make(chan int)
		go func(in, out chan int) {
			for v := range in {
				out <- v + 1
			}
			close(out)
		}(in, out)
		in = out
	}
	v := 0
	for i := 0; i < laps; i++ {
		first <- v
		v = <-in
	}
	close(first)
	return v
}

func workers(n, jobs int) int {
	in, out := make(chan int, 16), make(chan int, 16)
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for v := range in {
				runtime.Gosched()
				out <- v * v
			}
		}()
	}
	go func() {
		for i := 0; i < jobs; i++ {
			in <- i
		}
		close(in)
		wg.Wait()
		close(out)
	}()
	sum := 0
	for v := range out {
		sum += v
	}
	return sum
}

func main() {
	fmt.Println(sieve(300))
	fmt.Println(ring(500, 20))
	fmt.Println(workers(50, 5000))

	// A select without anything ready takes its default; a nil channel is never ready.
	var never chan int
	full := make(chan string, 1)
	full <- "one"
	for i := 0; i < 3; i++ {
		select {
		case <-never:
			fmt.Println("never")
		case s := <-full:
			fmt.Println("got", s)
		default:
			fmt.Println("default")
		}
	}

	// Many goroutines parked at once, woken by one close.
	gate, sum := make(chan struct{}), make(chan int)
	const parked = 10000
	for i := 0; i < parked; i++ {
		go func() {
			<-gate
			sum <- i
		}()
	}
	close(gate)
	total := 0
	for i := 0; i < parked; i++ {
		total += <-sum
	}
	fmt.Println(total, runtime.GOMAXPROCS(0) >= 1)
}
