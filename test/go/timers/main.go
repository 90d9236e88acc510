// timers runs select with timers, tickers, deadlines of contexts and time.AfterFunc.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

func main() {
	begin := time.Now()
	slow := make(chan int)
	select {
	case <-slow:
		fmt.Println("wrong")
	case <-time.After(30 * time.Millisecond):
		fmt.Println("timeout", time.Since(begin) >= 30*time.Millisecond)
	}

	// The earlier of two timers wins, whichever was made first.
	late, early := time.After(200*time.Millisecond), time.After(20*time.Millisecond)
	select {
	case <-late:
		fmt.Println("late")
	case <-early:
		fmt.Println("early")
	}

	ticker := time.NewTicker(10 * time.Millisecond)
	begin = time.Now()
	for i := 0; i < 5; i++ {
		<-ticker.C
	}
	ticker.Stop()
	fmt.Println("ticks", time.Since(begin) >= 50*time.Millisecond)

	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Millisecond)
	defer cancel()
	select {
	case <-ctx.Done():
		fmt.Println(ctx.Err(), errors.Is(ctx.Err(), context.DeadlineExceeded))
	case <-time.After(5 * time.Second):
		fmt.Println("no deadline")
	}
	caused, stop := context.WithCancelCause(context.Background())
	go stop(errors.New("enough"))
	<-caused.Done()
	fmt.Println(caused.Err(), context.Cause(caused))

	var mu sync.Mutex
	var fired []int
	var wg sync.WaitGroup
	begin = time.Now()
	for _, ms := range []int{50, 10, 30, 20, 40} {
		wg.Add(1)
		time.AfterFunc(time.Duration(ms)*time.Millisecond, func() {
			defer wg.Done()
			mu.Lock()
			if time.Since(begin) < time.Duration(ms)*time.Millisecond {
				fmt.Println("early", ms)
			}
			fired = append(fired, ms)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(fired)
	fmt.Println(fired)

	stopped := time.AfterFunc(time.Hour, func() { fmt.Println("wrong") })
	fmt.Println("stopped", stopped.Stop(), stopped.Stop())

	t := time.NewTimer(time.Hour)
	t.Reset(5 * time.Millisecond)
	<-t.C
	fmt.Println("reset")

	// A goroutine that only computes does not keep timers from firing when it yields.
	done := make(chan bool)
	go func() {
		x := 0
		for time.Since(begin) < 250*time.Millisecond {
			for i := 0; i < 1000; i++ {
				x += i
			}
		}
		done <- x > 0
	}()
	fmt.Println("busy", <-done)
}
