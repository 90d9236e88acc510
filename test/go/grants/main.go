// grants prints everything the outside gave it: arguments, variables, and the file they name.
package main

import (
	"fmt"
	"os"
	"sort"
)

func main() {
	fmt.Println("name:", os.Args[0])
	for i, a := range os.Args[1:] {
		fmt.Printf("arg %d: %q\n", i+1, a)
	}
	env := os.Environ()
	sort.Strings(env)
	for _, e := range env {
		fmt.Printf("env: %q\n", e)
	}
	wd, err := os.Getwd()
	fmt.Println("wd:", wd, err)
	if len(os.Args) > 1 {
		b, err := os.ReadFile(os.Args[1])
		fmt.Printf("file: %q %v\n", b, err)
	}
}
