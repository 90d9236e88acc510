// requests is a reactor that leaves as much behind as a request can, and says what it found.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

var count int

var held []*os.File

func main() {}

//go:wasmexport request
func request() {
	count++
	fmt.Println("calls", count)
	entries, err := os.ReadDir("/tmp")
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	fmt.Println("scratch", names, err == nil)
	fmt.Println("scratch", fmt.Sprint(names))
	f, err := os.Open("/data/x")
	if err == nil {
		fmt.Println("fd", f.Fd())
		held = append(held, f)
	}
	b := make([]byte, 4)
	rand.Read(b)
	fmt.Printf("random %x %d\n", b, time.Now().UnixNano())
	os.WriteFile("/tmp/left", []byte(strings.Repeat("x", 5000)), 0o644)
	syscall.SetNonblock(1, true)
	go func() {
		for {
			time.Sleep(time.Hour)
		}
	}()
}

//go:wasmexport calls
func calls() int32 { return int32(count) }

//go:wasmexport print900
func print900() { os.Stdout.WriteString(strings.Repeat("y", 900)) }

//go:wasmexport closeOut
func closeOut() { syscall.Close(2) }

//go:wasmexport leave
func leave() { os.Exit(3) }
