// What a hostile plugin may try. Its first argument says which.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"time"
)

func main() {
	switch os.Args[1] {
	case "loop":
		for {
		}
	case "sleep":
		time.Sleep(time.Hour)
	case "read":
		_, err := os.Stdin.Read(make([]byte, 1))
		fmt.Println("read:", err)
	case "allocate":
		var all [][]byte
		for {
			all = append(all, make([]byte, 1<<20))
		}
	case "output":
		for {
			fmt.Println(strings.Repeat("spam ", 1000))
		}
	case "recurse":
		fmt.Println(recurse(1))
	case "panic":
		var p *int
		*p = 1
	case "exit":
		proc_exit(0xffffffff)
	case "raise":
		fmt.Println("raise:", proc_raise(9))
	case "pointers":
		pointers()
	}
}

func recurse(n int) int {
	var frame [64]int
	frame[n%64] = n
	return recurse(n+1) + frame[(n+1)%64]
}

// Every call with pointers and lengths that lead nowhere, over descriptors that are there and that are not; then
// those that would take the descriptors away from the others. What each said, by the numbers of WASI's errno: 0 is success, 21 a bad address.
func pointers() {
	for _, c := range calls {
		seen := map[int]bool{}
		for _, first := range []uint32{0, 3, 99, 0xfffffffc, 0xffffffff} {
			for _, pointer := range []uint32{0x7fffffff, 0xfffffff8, 0xffffffff} {
				for _, wide := range []uint64{0, 1 << 63, 1<<64 - 1} {
					seen[int(c.call(first, pointer, wide))] = true
				}
			}
		}
		codes := []int{}
		for code := range seen {
			codes = append(codes, code)
		}
		sort.Ints(codes)
		fmt.Println(" ", c.name, codes)
	}
	fmt.Println("  fd_fdstat_set_rights", fd_fdstat_set_rights(3, 1<<63, 1<<63), fd_fdstat_set_rights(99, 0, 0))
	fmt.Println("  fd_renumber", fd_renumber(1, 0xffffffff), fd_renumber(0xffffffff, 1))
	fmt.Println("  fd_close", fd_close(0), fd_close(0), fd_close(0xffffffff))
}
