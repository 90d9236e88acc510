// walk visits a tree in all the ways the library has.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	root := os.Args[1]
	for i := 0; i < 5; i++ {
		for j := 0; j < 4; j++ {
			dir := filepath.Join(root, fmt.Sprint("d", i), fmt.Sprint("e", j))
			os.MkdirAll(dir, 0o755)
			os.WriteFile(filepath.Join(dir, "f.txt"), []byte(strings.Repeat("x", i*10+j)), 0o644)
		}
	}
	files, bytes := 0, int64(0)
	err := filepath.Walk(root, func(path string, fi fs.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if !fi.IsDir() {
			files++
			bytes += fi.Size()
		}
		return nil
	})
	fmt.Println("Walk:", files, bytes, err)
	err = fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if path == "d1" {
			return fs.SkipDir
		}
		if strings.HasPrefix(path, "d2") {
			fmt.Println(path, d.IsDir())
		}
		return err
	})
	fmt.Println("WalkDir:", err)
	names, err := fs.Glob(os.DirFS(root), "d*/e[02]/*.txt")
	fmt.Println("Glob:", names, err)
	matches, err := filepath.Glob(filepath.Join(root, "d3", "*", "f.*"))
	fmt.Println("Glob:", len(matches), err)
	_, err = os.ReadDir(filepath.Join(root, "none"))
	fmt.Println(os.IsNotExist(err))
	fmt.Println(os.CopyFS(filepath.Join(root, "copy"), os.DirFS(filepath.Join(root, "d4"))))
	fmt.Println(os.RemoveAll(filepath.Join(root, "d0")), len(must(os.ReadDir(root))))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
