// files does to the directory it is given what programs do to files, and prints what it sees.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var root string

func at(names ...string) string { return filepath.Join(append([]string{root}, names...)...) }

// say prints an error without the directory, so that both builds print the same.
func say(what string, err error) {
	text := "ok"
	if err != nil {
		var kind []string
		for name, is := range map[string]error{"exist": fs.ErrExist, "not-exist": fs.ErrNotExist, "permission": fs.ErrPermission} {
			if errors.Is(err, is) {
				kind = append(kind, name)
			}
		}
		text = fmt.Sprint("error ", kind)
	}
	fmt.Println(what+":", text)
}

func list(dir string) {
	entries, err := os.ReadDir(at(dir))
	if err != nil {
		say("list "+dir, err)
		return
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	fmt.Println("list", dir+":", strings.Join(names, " "))
}

func cat(name string) {
	b, err := os.ReadFile(at(name))
	if err != nil {
		say("cat "+name, err)
		return
	}
	fmt.Printf("cat %s: %q\n", name, b)
}

func main() {
	root = os.Args[1]
	list(".")

	say("write", os.WriteFile(at("a.txt"), []byte("alpha\n"), 0o644))
	cat("a.txt")
	f, err := os.OpenFile(at("a.txt"), os.O_WRONLY|os.O_APPEND, 0)
	say("open append", err)
	_, err = f.WriteString("beta\n")
	say("append", err)
	_, err = f.Seek(0, io.SeekStart)
	say("seek", err)
	_, err = f.WriteString("gamma\n")
	say("append after seek", err)
	_, err = f.Read(make([]byte, 1))
	fmt.Println("read of a write-only file fails:", err != nil)
	say("sync", f.Sync())
	say("close", f.Close())
	fmt.Println("close twice fails:", f.Close() != nil)
	cat("a.txt")

	f, err = os.OpenFile(at("a.txt"), os.O_RDWR, 0)
	say("open rdwr", err)
	n, err := f.WriteAt([]byte("ALPHA"), 0)
	fmt.Println("write at:", n, err)
	b := make([]byte, 4)
	n, err = f.ReadAt(b, 6)
	fmt.Printf("read at: %d %v %q\n", n, err, b)
	n, err = f.ReadAt(b, 15)
	fmt.Printf("read at the end: %d %v\n", n, err)
	pos, err := f.Seek(-3, io.SeekEnd)
	fmt.Println("seek end:", pos, err)
	n, _ = f.Read(b)
	fmt.Printf("read: %q\n", b[:n])
	_, err = f.Read(b)
	fmt.Println("eof:", err == io.EOF)
	_, err = f.Seek(-1, io.SeekStart)
	fmt.Println("seek before the start fails:", err != nil)
	pos, err = f.Seek(100, io.SeekStart)
	fmt.Println("seek beyond:", pos, err)
	f.Write([]byte("z"))
	fi, err := f.Stat()
	fmt.Println("size with a hole:", fi.Size(), err)
	say("truncate", f.Truncate(5))
	fi, _ = f.Stat()
	fmt.Println("size:", fi.Size(), fi.Mode().IsRegular(), fi.IsDir(), fi.Name())
	f.Close()
	cat("a.txt")
	say("truncate by name", os.Truncate(at("a.txt"), 3))
	cat("a.txt")

	_, err = os.OpenFile(at("a.txt"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	say("create exclusively what is there", err)
	f, err = os.Create(at("a.txt"))
	say("create truncates", err)
	f.Close()
	cat("a.txt")

	say("mkdir", os.Mkdir(at("d"), 0o755))
	say("mkdir again", os.Mkdir(at("d"), 0o755))
	say("mkdir below nothing", os.Mkdir(at("no/d"), 0o755))
	say("mkdir all", os.MkdirAll(at("d/e/f"), 0o755))
	say("mkdir all over a file", os.MkdirAll(at("a.txt/x"), 0o755))
	say("write deep", os.WriteFile(at("d/e/f/g.txt"), []byte("deep"), 0o600))
	list(".")
	list("d")
	list("d/e/f")
	say("list a file", func() error { _, err := os.ReadDir(at("a.txt")); return err }())

	say("rename", os.Rename(at("a.txt"), at("d/b.txt")))
	say("rename what is not there", os.Rename(at("a.txt"), at("c.txt")))
	os.WriteFile(at("over.txt"), []byte("old"), 0o644)
	os.WriteFile(at("new.txt"), []byte("new"), 0o644)
	say("rename over a file", os.Rename(at("new.txt"), at("over.txt")))
	cat("over.txt")
	say("rename a directory", os.Rename(at("d"), at("moved")))
	fmt.Println("rename a directory over a file fails:", os.Rename(at("moved"), at("over.txt")) != nil)
	fmt.Println("rename a directory into itself fails:", os.Rename(at("moved"), at("moved/e/x")) != nil)
	list(".")
	cat("moved/e/f/g.txt")

	say("link", os.Link(at("over.txt"), at("hard.txt")))
	say("link over a file", os.Link(at("over.txt"), at("hard.txt")))
	a, _ := os.Stat(at("over.txt"))
	h, _ := os.Stat(at("hard.txt"))
	fmt.Println("same file:", os.SameFile(a, h))
	os.WriteFile(at("over.txt"), []byte("both"), 0o644)
	cat("hard.txt")

	stamp := time.Date(2001, 2, 3, 4, 5, 6, 789000000, time.UTC)
	say("chtimes", os.Chtimes(at("hard.txt"), stamp, stamp))
	fi, err = os.Stat(at("over.txt"))
	fmt.Println("mtime:", fi.ModTime().UTC(), err)

	fmt.Println("remove a full directory fails:", os.Remove(at("moved")) != nil)
	say("remove", os.Remove(at("over.txt")))
	say("remove again", os.Remove(at("over.txt")))
	cat("over.txt")
	cat("hard.txt")
	say("stat what is not there", func() error { _, err := os.Stat(at("over.txt")); return err }())
	say("stat below a file", func() error { _, err := os.Stat(at("hard.txt/x")); return err }())
	say("remove all", os.RemoveAll(at("moved")))
	say("remove all of nothing", os.RemoveAll(at("moved")))
	list(".")

	// A file that is open lives on after its name is gone.
	f, _ = os.Create(at("gone.txt"))
	f.WriteString("still here")
	say("remove open file", os.Remove(at("gone.txt")))
	f.Seek(0, 0)
	rest, err := io.ReadAll(f)
	fmt.Printf("read removed file: %q %v\n", rest, err)
	f.Close()

	tmp, err := os.CreateTemp(root, "t-*.tmp")
	say("temp file", err)
	base := filepath.Base(tmp.Name())
	fmt.Println("temp name:", strings.HasPrefix(base, "t-"), strings.HasSuffix(base, ".tmp"))
	tmp.Close()
	os.Remove(tmp.Name())
	dir, err := os.MkdirTemp(root, "dir")
	say("temp directory", err)
	os.Remove(dir)

	big := make([]byte, 3<<20)
	for i := range big {
		big[i] = byte(i * 7 >> 3)
	}
	say("write big", os.WriteFile(at("big.bin"), big, 0o644))
	back, err := os.ReadFile(at("big.bin"))
	fmt.Println("read big:", string(back) == string(big), err)
	src, _ := os.Open(at("big.bin"))
	dst, _ := os.Create(at("copy.bin"))
	copied, err := io.Copy(dst, src)
	fmt.Println("copy:", copied, err)
	src.Close()
	dst.Close()
	os.Remove(at("big.bin"))
	os.Remove(at("copy.bin"))

	// Many files open at once.
	var open []*os.File
	for i := 0; i < 200; i++ {
		f, err := os.Create(at(fmt.Sprintf("many-%d", i)))
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Fprint(f, i)
		open = append(open, f)
	}
	sum := 0
	for i, f := range open {
		var v int
		f.Seek(0, 0)
		fmt.Fscan(f, &v)
		sum += v
		f.Close()
		os.Remove(at(fmt.Sprintf("many-%d", i)))
	}
	fmt.Println("many:", len(open), sum)

	say("chdir", os.Chdir(root))
	os.WriteFile("relative.txt", []byte("r"), 0o644)
	cat("relative.txt")
	say("name with a NUL", os.WriteFile(at("a\x00b"), nil, 0o644))
	say("long name", os.WriteFile(at(strings.Repeat("n", 300)), nil, 0o644))
	say("long path", os.WriteFile(at(strings.Repeat("x/", 3000)), nil, 0o644))
	list(".")
}
