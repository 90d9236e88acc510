// readonly tries to change a directory that was granted for reading.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// byRoot goes to the directory by a descriptor of the guest's root, which is granted for writing.
func byRoot(try func(string, error)) {
	root, err := os.OpenRoot("/")
	try("root", err)
	dir := os.Args[1][1:]
	open := func(name string, flags int) error {
		f, err := root.OpenFile(name, flags, 0o644)
		if err == nil {
			f.Close()
		}
		return err
	}
	try("root create", open(dir+"/new.txt", os.O_CREATE|os.O_WRONLY))
	try("root create through link", open(dir+"/dl/new.txt", os.O_CREATE|os.O_WRONLY))
	try("root write", open(dir+"/f.txt", os.O_RDWR))
	try("root truncate", open(dir+"/f.txt", os.O_RDWR|os.O_TRUNC))
	try("root mkdir", root.Mkdir(dir+"/new", 0o755))
	try("root remove", root.Remove(dir+"/f.txt"))
	try("root rename", root.Rename(dir+"/f.txt", "g.txt"))
	try("root rename into it", root.Rename("own.txt", dir+"/own.txt"))
	try("root rename it", root.Rename(dir, "elsewhere"))
	try("root link", root.Link(dir+"/f.txt", "h.txt"))
	try("root symlink", root.Symlink("f.txt", dir+"/s"))
	try("root chtimes", root.Chtimes(dir+"/f.txt", time.Now(), time.Now()))
	try("root read", open(dir+"/f.txt", os.O_RDONLY))
	try("root write beside it", open("own.txt", os.O_RDWR|os.O_TRUNC))
	below, err := root.OpenRoot(dir + "/d")
	try("root below", err)
	_, err = below.Create("new.txt")
	try("root create below", err)
}

func main() {
	os.Chdir(os.Args[1])
	b, err := os.ReadFile("f.txt")
	fmt.Printf("read: %q %v\n", b, err)
	entries, err := os.ReadDir(".")
	fmt.Println("list:", len(entries), err)
	_, err = os.Stat("d")
	fmt.Println("stat:", err)
	to, err := os.Readlink("l")
	fmt.Println("readlink:", to, err)
	f, err := os.Open("f.txt")
	f.Seek(2, io.SeekStart)
	rest, err := io.ReadAll(f)
	fmt.Printf("seek and read: %q %v\n", rest, err)

	try := func(what string, err error) {
		text := "WORKED"
		if err != nil {
			text = err.Error()
			if i := strings.LastIndex(text, ": "); i >= 0 {
				text = text[i+2:]
			}
		}
		fmt.Println(what+":", strings.ToLower(text))
	}
	open := func(flags int) error {
		f, err := os.OpenFile("f.txt", flags, 0o644)
		if err == nil {
			f.Close()
		}
		return err
	}
	try("create", os.WriteFile("new.txt", nil, 0o644))
	try("write", open(os.O_WRONLY))
	try("read and write", open(os.O_RDWR))
	try("append", open(os.O_WRONLY|os.O_APPEND))
	try("truncate on open", open(os.O_RDONLY|os.O_TRUNC))
	try("truncate", os.Truncate("f.txt", 0))
	try("mkdir", os.Mkdir("new", 0o755))
	try("remove", os.Remove("f.txt"))
	try("remove directory", os.Remove("d"))
	try("rename", os.Rename("f.txt", "g.txt"))
	try("link", os.Link("f.txt", "h.txt"))
	try("symlink", os.Symlink("f.txt", "s"))
	try("chtimes", os.Chtimes("f.txt", time.Now(), time.Now()))
	try("create below", os.WriteFile("d/new.txt", nil, 0o644))
	try("create through link", os.WriteFile("dl/new.txt", nil, 0o644))
	if len(os.Args) > 2 && os.Args[2] == "-root" {
		byRoot(try)
	} else if len(os.Args) > 2 {
		try("rename into writable", os.Rename("f.txt", os.Args[2]+"/f.txt"))
		try("rename from writable", os.Rename(os.Args[2]+"/w.txt", "w.txt"))
		try("link into writable", os.Link("f.txt", os.Args[2]+"/f.txt"))
		try("write in writable", os.WriteFile(os.Args[2]+"/made.txt", []byte("m"), 0o644))
	}
}
