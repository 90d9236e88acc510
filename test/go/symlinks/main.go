// symlinks makes and follows symbolic links, those included that lead out of the grant.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func kind(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, fs.ErrNotExist):
		return "not-exist"
	case errors.Is(err, fs.ErrPermission):
		return "permission"
	case errors.Is(err, fs.ErrExist):
		return "exist"
	}
	return "error"
}

func read(name string) {
	b, err := os.ReadFile(name)
	fmt.Printf("read %s: %q %s\n", name, b, kind(err))
}

func main() {
	if err := os.Chdir(os.Args[1]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Mkdir("d", 0o755)
	os.WriteFile("d/f.txt", []byte("inside"), 0o644)
	fmt.Println("to a file:", kind(os.Symlink("d/f.txt", "l1")))
	fmt.Println("to a directory:", kind(os.Symlink("d", "l2")))
	fmt.Println("to a link:", kind(os.Symlink("l1", "l3")))
	fmt.Println("upwards, inside:", kind(os.Symlink("../d/f.txt", "d/l4")))
	fmt.Println("dangling:", kind(os.Symlink("nothing", "l5")))
	fmt.Println("to itself:", kind(os.Symlink("l6", "l6")))
	fmt.Println("over a file:", kind(os.Symlink("x", "l1")))
	for _, l := range []string{"l1", "l2/f.txt", "l3", "d/l4", "l5", "l6"} {
		read(l)
	}
	for _, l := range []string{"l1", "l2", "l3", "l5"} {
		to, err := os.Readlink(l)
		fi, err2 := os.Lstat(l)
		fmt.Println("readlink", l, to, kind(err), fi.Mode()&fs.ModeSymlink != 0, kind(err2))
	}
	_, err := os.Readlink("d/f.txt")
	fmt.Println("readlink of a file fails:", err != nil)
	fi, err := os.Stat("l2")
	fmt.Println("stat follows:", fi.IsDir(), kind(err))
	_, err = os.Stat("l5")
	fmt.Println("stat dangling:", kind(err))
	entries, _ := os.ReadDir(".")
	for _, e := range entries {
		fmt.Print(e.Name(), " ", e.Type()&fs.ModeSymlink != 0, "; ")
	}
	fmt.Println()
	real, err := filepath.EvalSymlinks("l3")
	fmt.Println("eval:", real, kind(err))
	fmt.Println("write through:", kind(os.WriteFile("l3", []byte("changed"), 0o644)))
	read("d/f.txt")
	fmt.Println("create through dangling:", kind(os.WriteFile("l5", []byte("made"), 0o644)))
	read("nothing")
	fmt.Println("remove link:", kind(os.Remove("l3")))
	read("d/f.txt")
	fmt.Println("remove all over a link:", kind(os.RemoveAll("l2")))
	read("d/f.txt")
	fmt.Println("rename link:", kind(os.Rename("l1", "l7")))
	read("l7")

	// The links below were made by the host or lead out of the grant. None may work.
	for _, l := range []string{"out-absolute", "out-relative", "out-directory/secret.txt", "out-proc"} {
		b, err := os.ReadFile(l)
		fmt.Printf("escape by %s: %d bytes, failed: %v\n", l, len(b), err != nil)
		fmt.Println("  write fails:", os.WriteFile(l, []byte("overwritten"), 0o644) != nil)
	}
	for _, to := range []string{"/etc/passwd", "../secret.txt", "../../../../../../etc/passwd", "d/../../secret.txt"} {
		os.Remove("made")
		os.Symlink(to, "made")
		b, err := os.ReadFile("made")
		fmt.Printf("escape by a link to %s: %d bytes, failed: %v\n", to, len(b), err != nil)
	}
	os.Remove("made")
	os.Symlink("..", "up")
	b, err := os.ReadFile("up/secret.txt")
	fmt.Printf("escape by up: %d bytes, failed: %v\n", len(b), err != nil)
	fmt.Println("  create fails:", os.WriteFile("up/new.txt", nil, 0o644) != nil)
	fmt.Println("  mkdir fails:", os.Mkdir("up/newdir", 0o755) != nil)
	fmt.Println("  rename out fails:", os.Rename("d/f.txt", "up/f.txt") != nil)
	fmt.Println("  remove fails:", os.Remove("up/secret.txt") != nil)
	fmt.Println("  link out fails:", os.Link("up/secret.txt", "stolen") != nil)
}
