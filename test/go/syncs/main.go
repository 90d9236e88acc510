// syncs runs the synchronisation primitives under contention and prints what must come out.
package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	var mu sync.Mutex
	var rw sync.RWMutex
	var wg sync.WaitGroup
	var count, atom atomic.Int64
	n := 0
	shared := map[int]int{}
	for i := 0; i < 100; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := 0; j < 100; j++ {
				mu.Lock()
				n++
				if j%10 == 0 {
					runtime.Gosched()
				}
				mu.Unlock()
				atom.Add(1)
				if j%5 == 0 {
					rw.Lock()
					shared[j]++
					rw.Unlock()
				} else {
					rw.RLock()
					count.Add(int64(shared[j-j%5] & 0))
					rw.RUnlock()
				}
			}
		}()
	}
	wg.Wait()
	fmt.Println(n, atom.Load(), count.Load(), shared[0], len(shared), mu.TryLock())

	// A bounded buffer with a condition variable.
	var lock sync.Mutex
	cond := sync.NewCond(&lock)
	var queue []int
	const items = 2000
	sum := 0
	wg.Add(4)
	for p := 0; p < 2; p++ {
		go func() {
			defer wg.Done()
			for i := p; i < items; i += 2 {
				lock.Lock()
				for len(queue) == 8 {
					cond.Wait()
				}
				queue = append(queue, i)
				cond.Broadcast()
				lock.Unlock()
			}
		}()
		go func() {
			defer wg.Done()
			for i := p; i < items; i += 2 {
				lock.Lock()
				for len(queue) == 0 {
					cond.Wait()
				}
				sum += queue[0]
				queue = queue[1:]
				cond.Broadcast()
				lock.Unlock()
			}
		}()
	}
	wg.Wait()
	fmt.Println(sum)

	var once sync.Once
	for i := 0; i < 10; i++ {
		wg.Add(1)
		go func() { defer wg.Done(); once.Do(func() { fmt.Println("once") }) }()
	}
	wg.Wait()
	value := sync.OnceValues(func() (int, error) { fmt.Println("computed"); return 7, errors.New("e") })
	value()
	fmt.Println(value())

	var m sync.Map
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func() { defer wg.Done(); m.LoadOrStore(i%10, i%10*2) }()
	}
	wg.Wait()
	total := 0
	m.Range(func(k, v any) bool { total += v.(int); return true })
	fmt.Println(total)

	pool := sync.Pool{New: func() any { return new([1024]byte) }}
	for i := 0; i < 1000; i++ {
		b := pool.Get().(*[1024]byte)
		b[i]++
		pool.Put(b)
	}

	// A tree of contexts: a cancelled parent takes its children along.
	root, cancel := context.WithCancel(context.WithValue(context.Background(), "k", "v"))
	var leaves []context.Context
	for i := 0; i < 5; i++ {
		c, stop := context.WithTimeout(root, time.Duration(i+1)*time.Hour)
		defer stop()
		leaves = append(leaves, c)
	}
	released := make(chan int)
	for i, c := range leaves {
		go func() { <-c.Done(); released <- i }()
	}
	stopped := context.AfterFunc(root, func() { released <- 100 })
	cancel()
	got := 0
	for range 6 {
		got += <-released
	}
	fmt.Println(got, leaves[3].Err(), leaves[0].Value("k"), stopped())

	short, stop := context.WithDeadline(context.Background(), time.Now().Add(15*time.Millisecond))
	defer stop()
	begin := time.Now()
	<-short.Done()
	fmt.Println(short.Err(), time.Since(begin) >= 10*time.Millisecond)

	ticker := time.NewTicker(2 * time.Millisecond)
	ticks := 0
	deadline := time.After(500 * time.Millisecond)
loop:
	for {
		select {
		case <-ticker.C:
			if ticks++; ticks == 10 {
				ticker.Reset(time.Millisecond)
			} else if ticks == 20 {
				ticker.Stop()
				break loop
			}
		case <-deadline:
			break loop
		}
	}
	fmt.Println("ticks", ticks)

	// A semaphore of channels, and a fan-in that closes properly.
	sem := make(chan struct{}, 3)
	var inside, most atomic.Int32
	for i := 0; i < 30; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			sem <- struct{}{}
			if v := inside.Add(1); v > most.Load() {
				most.Store(v)
			}
			time.Sleep(time.Millisecond)
			inside.Add(-1)
			<-sem
		}()
	}
	wg.Wait()
	fmt.Println("most inside", most.Load())
}
