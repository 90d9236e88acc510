// Probe does what its words say, one after the other: it is the guest of the command-line tests.
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(3)
	}
}

func main() {
	words := os.Args[1:]
	next := func() string {
		if len(words) == 0 {
			check(fmt.Errorf("a word is missing"))
		}
		w := words[0]
		words = words[1:]
		return w
	}
	for len(words) > 0 {
		switch w := next(); w {
		case "args":
			fmt.Printf("%q\n", os.Args)
			words = nil
		case "env":
			for _, v := range os.Environ() {
				fmt.Println(v)
			}
		case "pwd":
			dir, err := os.Getwd()
			check(err)
			fmt.Println(dir)
		case "cat":
			data, err := os.ReadFile(next())
			check(err)
			os.Stdout.Write(data)
		case "try": // like cat, and goes on when it fails
			data, err := os.ReadFile(next())
			fmt.Println(len(data), os.IsNotExist(err))
		case "stat":
			_, err := os.Stat(next())
			check(err)
		case "ls":
			entries, err := os.ReadDir(next())
			check(err)
			for _, e := range entries {
				fmt.Println(e.Name())
			}
		case "write":
			check(os.WriteFile(next(), []byte("written\n"), 0o644))
		case "copy":
			_, err := io.Copy(os.Stdout, os.Stdin)
			check(err)
		case "sleep":
			d, err := time.ParseDuration(next())
			check(err)
			time.Sleep(d)
		case "spin":
			for {
			}
		case "panic":
			panic("on request")
		case "exit":
			n, err := strconv.Atoi(next())
			check(err)
			os.Exit(n)
		case "spew": // lines without end
			for {
				fmt.Println("one more line")
			}
		case "fill": // a file, as far as it goes
			f, err := os.Create(next())
			check(err)
			for {
				_, err := f.Write(make([]byte, 4096))
				check(err)
			}
		case "open": // again and again
			name := next()
			for {
				_, err := os.Open(name)
				check(err)
			}
		case "deep": // goroutine stacks, as far as they go
			var down func(n int) int
			down = func(n int) int { return down(n+1) + n }
			fmt.Println(down(0))
		case "random": // MiB
			n, err := strconv.Atoi(next())
			check(err)
			_, err = rand.Read(make([]byte, n<<20))
			check(err)
		case "alloc": // MiB
			n, err := strconv.Atoi(next())
			check(err)
			data := make([]byte, n<<20)
			fmt.Println(len(data))
		default:
			check(fmt.Errorf("unknown word %q", w))
		}
	}
}
