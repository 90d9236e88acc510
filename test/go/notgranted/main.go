// notgranted tries everything on names that no grant covers.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

func kind(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, fs.ErrNotExist):
		return "not-exist"
	case errors.Is(err, fs.ErrPermission):
		return "permission"
	}
	return err.Error()
}

func main() {
	dir := os.Args[1]
	_, err := os.ReadDir(dir)
	fmt.Println("readdir:", kind(err))
	_, err = os.Open(dir + "/f.txt")
	fmt.Println("open:", kind(err))
	_, err = os.Stat(dir)
	fmt.Println("stat:", kind(err))
	_, err = os.Lstat(dir + "/f.txt")
	fmt.Println("lstat:", kind(err))
	_, err = os.Readlink(dir + "/l")
	fmt.Println("readlink:", kind(err))
	fmt.Println("write:", kind(os.WriteFile(dir+"/new.txt", nil, 0o644)))
	fmt.Println("mkdir:", kind(os.Mkdir(dir+"/d", 0o755)))
	fmt.Println("remove:", kind(os.Remove(dir+"/f.txt")))
	fmt.Println("rename:", kind(os.Rename(dir+"/f.txt", dir+"/g.txt")))
	fmt.Println("symlink:", kind(os.Symlink("x", dir+"/s")))
	fmt.Println("chtimes:", kind(os.Chtimes(dir+"/f.txt", time.Now(), time.Now())))
	// Go takes a parent that is not there for success, so only what is left behind tells.
	os.RemoveAll(dir)
	os.Exit(3)
}
