// devices uses the devices that programs take for granted: as os/exec does, as tests do, as crypto does.
//
// Natively and under every grant it prints the same; an argument names a directory in which their names are tried to
// be changed, which no native run should do.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func short(err error) string {
	if err == nil {
		return "ok"
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		return strings.ToLower(e.Error())
	}
	return err.Error()
}

// stdin and stdout of a command that has none: os/exec's (*Cmd).childStdin and writerDescriptor.
func likeExec() {
	in, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	fmt.Println("exec stdin:", short(err))
	n, err := in.Read(make([]byte, 16))
	fmt.Println("exec stdin read:", n, err)
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	fmt.Println("exec stdout:", short(err))
	n, err = out.Write([]byte("lost"))
	fmt.Println("exec stdout write:", n, short(err))
	fmt.Println("close:", short(in.Close()), short(out.Close()))
}

func null() {
	f, err := os.Open(os.DevNull)
	fmt.Println("open:", short(err))
	all, err := io.ReadAll(f)
	fmt.Println("read all:", len(all), short(err))
	f.Close()
	f, err = os.OpenFile(os.DevNull, os.O_RDWR, 0)
	fmt.Println("open both ways:", short(err))
	n, err := io.Copy(f, strings.NewReader(strings.Repeat("x", 1<<20)))
	fmt.Println("copy to it:", n, short(err))
	n, err = io.Copy(io.Discard, f)
	fmt.Println("copy from it:", n, short(err))
	m, err := f.WriteAt([]byte("abc"), 1<<40)
	fmt.Println("write at:", m, short(err))
	m, err = f.ReadAt(make([]byte, 4), 7)
	fmt.Println("read at:", m, err)
	pos, err := f.Seek(100, io.SeekEnd)
	fmt.Println("seek:", pos, short(err))
	fmt.Println("sync:", short(f.Close()))
	fmt.Println("write file:", short(os.WriteFile(os.DevNull, []byte("text"), 0o644)))
	b, err := os.ReadFile(os.DevNull)
	fmt.Println("read file:", len(b), short(err))
	f, err = os.OpenFile(os.DevNull, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o644)
	fmt.Println("create, cut and append:", short(err))
	fmt.Fprintln(f, "gone")
	f.Close()
	_, err = os.OpenFile(os.DevNull, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	fmt.Println("create new:", errors.Is(err, fs.ErrExist))
	_, err = os.ReadDir(os.DevNull)
	fmt.Println("list:", short(err))
	_, err = os.Open(os.DevNull + "/x")
	fmt.Println("below it:", err != nil)
}

func stat() {
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		path := "/dev/" + name
		a, err := os.Stat(path)
		if err != nil {
			fmt.Println(name+":", short(err))
			continue
		}
		b, err := os.Lstat(path)
		if err != nil {
			fmt.Println(name+":", short(err))
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			fmt.Println(name+":", short(err))
			continue
		}
		c, err := f.Stat()
		fmt.Println(name+":", a.Name(), a.Mode().Type() == fs.ModeDevice|fs.ModeCharDevice, a.IsDir(),
			a.Size(), os.SameFile(a, b), os.SameFile(a, c), short(err))
		f.Close()
	}
	null, _ := os.Stat("/dev/null")
	zero, _ := os.Stat("/dev/zero")
	fmt.Println("the same:", os.SameFile(null, zero))
	real, err := filepath.EvalSymlinks("/dev/null")
	fmt.Println("resolved:", real, short(err))
}

func others() {
	zero, err := os.Open("/dev/zero")
	fmt.Println("zero:", short(err))
	buf := bytes.Repeat([]byte{1}, 100000)
	n, err := io.ReadFull(zero, buf)
	fmt.Println("zeros:", n, short(err), bytes.Count(buf, []byte{0}))
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	fmt.Println("full:", short(err))
	w := bufio.NewWriter(full)
	fmt.Fprint(w, "text")
	fmt.Println("flush to full:", errors.Is(w.Flush(), syscall.ENOSPC))
	n, err = full.Read(buf[:10])
	fmt.Println("read from full:", n, short(err), buf[0])
	for _, name := range []string{"/dev/urandom", "/dev/random"} {
		f, err := os.Open(name)
		fmt.Println(name+":", short(err))
		a, b := make([]byte, 64), make([]byte, 64)
		_, err = io.ReadFull(f, a)
		_, err2 := io.ReadFull(f, b)
		fmt.Println("random:", short(err), short(err2), !bytes.Equal(a, b), !bytes.Equal(a, make([]byte, 64)))
	}
}

func root() {
	r, err := os.OpenRoot("/")
	if err != nil {
		fmt.Println("no root")
		return
	}
	f, err := r.OpenFile("dev/null", os.O_RDWR, 0)
	fmt.Println("by os.Root:", short(err))
	if err == nil {
		n, err := f.Write([]byte("abc"))
		fmt.Println("write:", n, short(err))
	}
	info, err := r.Stat("dev/zero")
	fmt.Println("stat:", err == nil && info.Mode()&fs.ModeCharDevice != 0, short(err))
}

// change tries to take them away, or to put something in their place.
func change(dir string) {
	own := filepath.Join(dir, "own")
	fmt.Println("own file:", short(os.WriteFile(own, []byte("own"), 0o644)))
	fmt.Println("remove:", os.Remove(os.DevNull) != nil)
	fmt.Println("rename:", os.Rename(os.DevNull, filepath.Join(dir, "null")) != nil)
	fmt.Println("replace:", os.Rename(own, os.DevNull) != nil)
	fmt.Println("link to:", os.Link(own, "/dev/zero") != nil)
	fmt.Println("link from:", os.Link("/dev/zero", filepath.Join(dir, "zero")) != nil)
	fmt.Println("symlink:", os.Symlink("own", "/dev/full") != nil)
	fmt.Println("mkdir:", os.Mkdir("/dev/random", 0o755) != nil)
	b, err := os.ReadFile(own)
	fmt.Printf("own: %q %s\n", b, short(err))
	_, err = os.Readlink("/dev/null")
	fmt.Println("readlink:", short(err))
}

func main() {
	likeExec()
	null()
	stat()
	others()
	if len(os.Args) > 1 && os.Args[1] == "root" {
		root()
	} else if len(os.Args) > 1 {
		change(os.Args[1])
	}
}
