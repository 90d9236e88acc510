// What a Go program finds that is given files from memory, standard streams in memory, and no clock.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func main() {
	in, err := io.ReadAll(os.Stdin)
	check(err)
	fmt.Printf("in %q\n", in)
	check(fs.WalkDir(os.DirFS("/files"), ".", func(path string, d fs.DirEntry, err error) error {
		check(err)
		info, err := d.Info()
		check(err)
		fmt.Println(path, d.IsDir(), info.Mode(), info.ModTime().UTC().Format(time.DateOnly))
		return nil
	}))
	text, err := os.ReadFile("/files/a/../a/b.txt")
	check(err)
	fmt.Printf("%s\n", text)
	f, err := os.Open("/files/a/b.txt")
	check(err)
	_, err = f.Seek(-3, io.SeekEnd)
	check(err)
	rest, err := io.ReadAll(f)
	check(err)
	fmt.Printf("%s\n", rest)
	for _, err := range []error{
		os.WriteFile("/files/new", nil, 0o644), os.WriteFile("/files/a/b.txt", nil, 0o644),
		os.Remove("/files/a/b.txt"), os.Mkdir("/files/d", 0o755), os.Rename("/files/a", "/files/z"),
		os.Chtimes("/files/a", time.Now(), time.Now()), os.Truncate("/files/a/b.txt", 0),
	} {
		fmt.Print(errors.Is(err, syscall.EROFS), " ")
	}
	_, err = os.Stat("/files/../etc")
	fmt.Println(os.IsNotExist(err))
	start := time.Now()
	time.Sleep(20 * time.Millisecond)
	gone := time.Since(start)
	fmt.Println(start.UTC().Format(time.DateOnly), gone >= 20*time.Millisecond && gone < 40*time.Millisecond)
	fmt.Fprint(os.Stderr, "to the other")
}
