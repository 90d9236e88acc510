// readonly tries to change a directory that was granted for reading.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

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
	if len(os.Args) > 2 {
		try("rename into writable", os.Rename("f.txt", os.Args[2]+"/f.txt"))
		try("rename from writable", os.Rename(os.Args[2]+"/w.txt", "w.txt"))
		try("link into writable", os.Link("f.txt", os.Args[2]+"/f.txt"))
		try("write in writable", os.WriteFile(os.Args[2]+"/made.txt", []byte("m"), 0o644))
	}
}
