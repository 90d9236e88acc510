// Programs whose output differs from run to run, unless all they ask of their host is the same: the first
// argument names one. test/seed/run runs each many times with --seed.
package main

import (
	"bufio"
	"bytes"
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"math"
	"math/big"
	"math/rand"
	randv2 "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

var programs = map[string]func(){
	"maps":       maps,
	"rand":       random,
	"cryptorand": cryptoRandom,
	"now":        now,
	"sleep":      sleeps,
	"goroutines": goroutines,
	"selects":    selects,
	"timers":     timers,
	"contexts":   contexts,
	"readdir":    readDir,
	"stat":       stat,
	"times":      fileTimes,
	"walk":       walk,
	"nans":       nans,
	"nanmaps":    nanMaps,
	"maphash":    mapHash,
	"stdin":      stdin,
	"tempfiles":  tempFiles,
	"gc":         garbage,
	"addresses":  addresses,
	"primes":     primes,
	"mutexes":    mutexes,
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func maps() {
	m := map[string]int{}
	for i := 0; i < 500; i++ {
		m[fmt.Sprint("key", i)] = i
	}
	for k, v := range m {
		fmt.Print(k, v, " ")
	}
	fmt.Println()
}

func random() {
	for i := 0; i < 100; i++ {
		fmt.Println(rand.Int63(), rand.NormFloat64(), randv2.Uint64(), randv2.ExpFloat64())
	}
	fmt.Println(rand.Perm(50))
}

func cryptoRandom() {
	b := make([]byte, 100000)
	_, err := crand.Read(b)
	check(err)
	fmt.Printf("%x\n", sha256.Sum256(b))
	fmt.Println(crand.Text())
	f, err := os.Open("/dev/urandom")
	check(err)
	_, err = io.ReadFull(f, b[:64])
	check(err)
	fmt.Printf("%x\n", b[:64])
}

func now() {
	for i := 0; i < 50; i++ {
		fmt.Println(time.Now().UnixNano(), time.Now().Format(time.RFC3339Nano))
	}
}

func sleeps() {
	begin := time.Now()
	for _, d := range []time.Duration{time.Hour, time.Nanosecond, 365 * 24 * time.Hour, time.Millisecond} {
		time.Sleep(d)
		fmt.Println(time.Since(begin))
	}
	for time.Since(begin) < 400*24*time.Hour {
		time.Sleep(24 * time.Hour)
	}
	for start := time.Now(); time.Since(start) < 20*time.Millisecond; { // time passes by being asked
	}
	fmt.Println(time.Now())
}

func goroutines() {
	var wg sync.WaitGroup
	out := make(chan string)
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := 0; k < 5; k++ {
				if rand.Intn(2) == 0 {
					runtime.Gosched()
				} else {
					time.Sleep(time.Duration(rand.Intn(1000)) * time.Microsecond)
				}
				out <- fmt.Sprint(i, ".", k)
			}
		}()
	}
	go func() { wg.Wait(); close(out) }()
	for s := range out {
		fmt.Print(s, " ")
	}
	fmt.Println()
}

func selects() {
	a, b, c := make(chan int, 1000), make(chan int, 1000), make(chan int, 1000)
	for i := 0; i < 300; i++ {
		a <- i
		b <- i
		c <- i
	}
	for i := 0; i < 900; i++ {
		select {
		case v := <-a:
			fmt.Print("a", v, " ")
		case v := <-b:
			fmt.Print("b", v, " ")
		case v := <-c:
			fmt.Print("c", v, " ")
		}
	}
	fmt.Println()
}

func timers() {
	tick := time.NewTicker(7 * time.Millisecond)
	late := time.NewTimer(100 * time.Millisecond)
	after := time.AfterFunc(30*time.Millisecond, func() { fmt.Println("func", time.Now()) })
	defer after.Stop()
	for {
		select {
		case t := <-tick.C:
			fmt.Println("tick", t)
		case t := <-late.C:
			fmt.Println("late", t)
			return
		}
	}
}

func contexts() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	n := 0
	for ctx.Err() == nil {
		n++
		time.Sleep(time.Duration(rand.Intn(3000)) * time.Microsecond)
	}
	deadline, _ := ctx.Deadline()
	fmt.Println(n, ctx.Err(), deadline, time.Now())
}

func readDir() {
	d, err := os.Open("/data")
	check(err)
	var all []string
	for {
		names, err := d.Readdirnames(3)
		fmt.Println(names, err)
		if err != nil {
			break
		}
		all = append(all, names...)
	}
	if !sort.StringsAreSorted(all) {
		fmt.Println("not in order:", all)
		os.Exit(1)
	}
	for i := 0; i < 300; i++ {
		check(os.WriteFile(fmt.Sprint("/data/made", rand.Intn(1<<30)), nil, 0666))
	}
	es, err := os.ReadDir("/data")
	check(err)
	for _, e := range es {
		fmt.Println(e)
	}
}

func show(name string) {
	i, err := os.Lstat(name)
	check(err)
	s := i.Sys().(*syscall.Stat_t)
	fmt.Println(name, i.Size(), i.Mode(), i.ModTime(), s.Dev, s.Ino, s.Nlink, s.Atime, s.Ctime)
}

func stat() {
	for _, name := range []string{"/data", "/data/a", "/data/b", "/data/sub", "/data/link", "/data/sub/deep", "/data/a"} {
		show(name)
	}
	a, err := os.Stat("/data/a")
	check(err)
	l, err := os.Stat("/data/link")
	check(err)
	fmt.Println(os.SameFile(a, l))
	for i := 0; i < 20; i++ { // an inode is given again
		name := fmt.Sprint("/data/n", i)
		check(os.WriteFile(name, []byte(name), 0666))
		show(name)
		check(os.Remove(name))
	}
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		_, err := f.Stat()
		fmt.Println(err)
	}
}

func fileTimes() {
	check(os.WriteFile("/data/new", []byte("x"), 0666))
	show("/data/new")
	time.Sleep(time.Minute)
	f, err := os.OpenFile("/data/new", os.O_APPEND|os.O_WRONLY, 0)
	check(err)
	_, err = f.WriteString("more")
	check(err)
	show("/data/new")
	i, err := f.Stat()
	check(err)
	if d := time.Since(i.ModTime()); d < 0 || d > time.Second {
		fmt.Println("just written, and", d, "old")
		os.Exit(1)
	}
	check(f.Close())
	t := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	check(os.Chtimes("/data/new", t, t.Add(time.Hour)))
	show("/data/new")
	if i, err = os.Stat("/data/new"); err != nil || !i.ModTime().Equal(t.Add(time.Hour)) {
		fmt.Println("set, and not what was set:", i, err)
		os.Exit(1)
	}
	check(os.Truncate("/data/b", 1))
	show("/data/b")
	show("/data/a")
	check(os.Rename("/data/new", "/data/newer"))
	show("/data/newer")
}

func walk() {
	check(filepath.WalkDir("/data", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		fmt.Println(path, i.Size(), i.ModTime(), err)
		return nil
	}))
}

var zero float64

func nans() {
	var f32 float32 = float32(zero)
	values := []float64{zero / zero, math.Sqrt(-1 - zero), math.Inf(1) - math.Inf(1), math.Inf(1) * zero,
		math.Float64frombits(0x7ff0000000000001) + 1, math.Float64frombits(0xfff8dead00000001) * 2,
		1 + math.Float64frombits(0xfff8dead00000001), -math.NaN(), math.Log(-1 - zero), math.Mod(1, zero),
		math.Max(math.NaN(), 1), math.Min(1, math.Float64frombits(0xffffffffffffffff)),
		math.Floor(math.Float64frombits(0xfff8000000000007)), math.Trunc(math.Float64frombits(0x7ff4000000000000))}
	for _, v := range values {
		fmt.Printf("%x %x\n", math.Float64bits(v+0), math.Float32bits(float32(v)))
	}
	fmt.Printf("%x %x\n", math.Float32bits(f32/f32), math.Float64bits(float64(math.Float32frombits(0xffc00001))))
	var rows [64][64]float64 // left in memory
	for i := range rows {
		for k := range rows[i] {
			rows[i][k] = float64(i-32) / float64(k-32) * (float64(k) / float64(k-7) * zero)
		}
	}
	kept = rows[:]
	fmt.Println(kept != nil)
}

var kept any

func nanMaps() {
	m := map[float64]int{}
	for i := 0; i < 200; i++ {
		m[zero/zero] = i
		m[float64(i)*0.1] = i
	}
	for k, v := range m {
		fmt.Print(k, ":", v, " ")
	}
	c := map[complex128]string{complex(zero/zero, 1): "a", complex(1, math.Inf(1)): "b"}
	fmt.Println(len(m), c)
}

func mapHash() {
	var h maphash.Hash
	h.WriteString("hello")
	fmt.Println(h.Sum64(), maphash.String(maphash.MakeSeed(), "hello"))
}

func stdin() {
	r := bufio.NewReaderSize(os.Stdin, 100)
	lines := make(chan string)
	go func() {
		defer close(lines)
		for {
			s, err := r.ReadString('\n')
			if s != "" {
				lines <- s
			}
			if err != nil {
				return
			}
		}
	}()
	tick := time.NewTicker(time.Millisecond)
	ticks := 0
	for {
		select {
		case s, ok := <-lines:
			if !ok {
				fmt.Println(ticks, time.Now())
				return
			}
			fmt.Print(len(s), " ")
		case <-tick.C:
			ticks++
		}
	}
}

func tempFiles() {
	for i := 0; i < 10; i++ {
		f, err := os.CreateTemp("/data", "t*")
		check(err)
		fmt.Println(f.Name())
		_, err = f.Write(bytes.Repeat([]byte{byte(i)}, i*1000))
		check(err)
		show(f.Name())
		check(f.Close())
	}
	d, err := os.MkdirTemp("/data", "d*")
	check(err)
	fmt.Println(d)
	check(os.RemoveAll(d))
	readDir()
}

func garbage() {
	var keep [][]byte
	for i := 0; i < 3000; i++ {
		b := make([]byte, rand.Intn(20000))
		if rand.Intn(20) == 0 {
			keep = append(keep, b)
		}
	}
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Println(len(keep), m.Mallocs, m.HeapAlloc, m.NumGC, m.PauseTotalNs, m.LastGC)
}

func addresses() {
	var ps []*int
	for i := 0; i < 100; i++ {
		ps = append(ps, new(int))
	}
	fmt.Printf("%p %v\n", maps, ps)
	fmt.Println(os.Getpid(), os.Args, os.Environ())
}

func primes() {
	p, err := crand.Prime(crand.Reader, 128)
	check(err)
	fmt.Println(p, new(big.Int).Exp(big.NewInt(3), p, new(big.Int).Lsh(p, 3)))
}

func mutexes() {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var order []string
	for i := 0; i < 30; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := 0; k < 10; k++ {
				mu.Lock()
				order = append(order, fmt.Sprint(i))
				mu.Unlock()
				runtime.Gosched()
			}
		}()
	}
	wg.Wait()
	fmt.Println(strings.Join(order, " "))
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "list" {
		var names []string
		for name := range programs {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Println(strings.Join(names, "\n"))
		return
	}
	programs[os.Args[1]]()
}
