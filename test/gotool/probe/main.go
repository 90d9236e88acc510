// A program that does what its first word says and tells what came of it.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

func read(names []string) {
	for _, name := range names {
		data, err := os.ReadFile(name)
		check(err)
		os.Stdout.Write(data)
	}
}

func real(names []string) {
	for _, name := range names {
		path, err := filepath.Abs(name)
		check(err)
		path, err = filepath.EvalSymlinks(path)
		check(err)
		fmt.Println(path)
	}
}

// litter leaves files, links and directories nobody may write in behind in the temporary directory.
func litter() {
	dir, err := os.MkdirTemp("", "litter")
	check(err)
	check(os.MkdirAll(filepath.Join(dir, "a/b/c"), 0o700))
	check(os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("x"), 0o400))
	check(os.Symlink("../../mine", filepath.Join(dir, "link")))
	check(os.Symlink("..", filepath.Join(dir, "a/up")))
}

func main() {
	words := os.Args[1:]
	switch {
	case len(words) == 0:
	case words[0] == "cat":
		read(words[1:])
	case words[0] == "write":
		check(os.WriteFile(words[1], []byte("written"), 0o600))
	case words[0] == "make":
		check(os.MkdirAll(words[1], 0o700))
	case words[0] == "copy":
		fmt.Fprintln(os.Stderr, "to standard error")
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
	case words[0] == "exit":
		code, _ := strconv.Atoi(words[1])
		os.Exit(code)
	case words[0] == "panic":
		panic("of the program")
	case words[0] == "pwd":
		dir, err := os.Getwd()
		check(err)
		fmt.Println(dir)
	case words[0] == "env":
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
	case words[0] == "real":
		real(words[1:])
	case words[0] == "temp":
		f, err := os.CreateTemp("", "probe")
		check(err)
		fmt.Println(f.Name())
	case words[0] == "litter":
		litter()
	case words[0] == "litter-spin":
		litter()
		fmt.Println("ready")
		for {
		}
	case words[0] == "litter-sleep":
		litter()
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case words[0] == "zone":
		l, err := time.LoadLocation(words[1])
		check(err)
		fmt.Println(l)
	case words[0] == "spin":
		for {
		}
	default:
		fmt.Printf("%q\n", words)
	}
}
