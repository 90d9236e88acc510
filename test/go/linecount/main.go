// linecount counts the lines of the files it is given, and says what kind of error it met.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

func count(name string) (int, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		n++
	}
	return n, nil
}

func main() {
	status := 0
	for _, name := range os.Args[1:] {
		n, err := count(name)
		if err != nil {
			status = 1
			fmt.Println(err)
			fmt.Println("not exist:", os.IsNotExist(err), "permission:", errors.Is(err, fs.ErrPermission))
			continue
		}
		fmt.Printf("%s: %d lines\n", name, n)
	}
	os.Exit(status)
}
