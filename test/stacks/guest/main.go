// What glovebox says of a program that stands still, and where it spends its time. Lines that tests look for are
// marked with // and a word.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"
)

type server struct{ n int }

//go:noinline
func (s *server) spin() {
	for {
		s.n += step(s.n) // spin
	}
}

//go:noinline
func step(n int) int { return n % 7 }

//go:noinline
func receive(c chan int) {
	<-c // receive
}

func locked(mu *sync.Mutex) { mu.Lock() } // locked

//go:noinline
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func mix(x uint64) uint64 { return x ^ x<<13 ^ x>>7 } // mix

//go:noinline
func loop(n int) (x uint64) {
	x = 88172645463325252
	for i := 0; i < n; i++ {
		x = mix(x) + uint64(step(i)) // loop
	}
	return x
}

// Called by one that is inlined. Where it naps, that one is on Go's stack alone.
//
//go:noinline
func slow(n int, nap bool) int {
	if nap {
		time.Sleep(time.Millisecond)
	}
	for {
		n += step(n) // slow
	}
}

func around(n int, nap bool) int { return slow(n+1, nap) } // around

// After it has slept, who called it is on Go's stack alone.
//
//go:noinline
func work(done chan uint64, rounds int) {
	time.Sleep(time.Millisecond)
	done <- loop(rounds) + uint64(fib(rounds/1500000)) // work
}

func main() {
	c := make(chan int)
	go receive(c) // started
	var mu sync.Mutex
	mu.Lock()
	go locked(&mu)
	time.Sleep(time.Millisecond)
	switch os.Args[1] {
	case "inlined", "napped":
		println(around(len(os.Args), os.Args[1] == "napped")) // inlined
	case "spin":
		(&server{}).spin() // called
	case "many":
		for i := 0; i < 400; i++ {
			go receive(c)
		}
		time.Sleep(time.Hour)
	case "sleep":
		time.Sleep(time.Hour) // sleep
	case "signals":
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, os.Interrupt)
		if len(os.Args) > 2 {
			select {
			case <-asked:
			case <-time.After(time.Hour):
			}
		}
		<-asked // signals
	case "stdin":
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // stdin
		fmt.Printf("read %q\n", line)
	case "work":
		var rounds int
		fmt.Sscan(os.Args[2], &rounds)
		done := make(chan uint64)
		go func() { work(done, rounds) }()
		fmt.Println(<-done)
	}
}
