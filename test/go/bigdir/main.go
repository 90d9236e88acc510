// bigdir reads a directory of very many entries in several ways.
package main

import (
	"fmt"
	"io"
	"os"
	"sort"
)

func main() {
	dir := os.Args[1]
	entries, err := os.ReadDir(dir)
	fmt.Println("ReadDir:", len(entries), err)
	seen := map[string]int{}
	for i, e := range entries {
		seen[e.Name()]++
		if e.IsDir() || i > 0 && entries[i-1].Name() >= e.Name() {
			fmt.Println("wrong entry", i, e.Name())
		}
	}
	for i := range entries {
		if name := fmt.Sprintf("file-%05d.txt", i); seen[name] != 1 {
			fmt.Println("missing or twice:", name, seen[name])
		}
	}

	f, _ := os.Open(dir)
	defer f.Close()
	var names []string
	for {
		part, err := f.Readdirnames(37)
		names = append(names, part...)
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			break
		}
	}
	sort.Strings(names)
	fmt.Println("Readdirnames:", len(names), names[0], names[len(names)-1])
	f.Seek(0, io.SeekStart)
	again, err := f.Readdirnames(-1)
	fmt.Println("after rewinding:", len(again), err)

	// Removing while reading must not skip what was there before.
	g, _ := os.Open(dir)
	removed := 0
	for {
		part, err := g.Readdirnames(100)
		for _, name := range part {
			if os.Remove(dir+"/"+name) == nil {
				removed++
			}
		}
		if err != nil {
			break
		}
	}
	g.Close()
	fmt.Println("removed:", removed)
	left, err := os.ReadDir(dir)
	fmt.Println("left:", len(left), err)
}
