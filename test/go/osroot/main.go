// osroot works through os.Root, whose calls are relative to real directory descriptors.
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

func main() {
	top, err := os.OpenRoot(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("mkdir:", top.Mkdir("a", 0o755) == nil, top.Mkdir("a/b", 0o755) == nil)
	f, err := top.Create("a/b/f.txt")
	fmt.Println("create:", err)
	fmt.Fprint(f, "text")
	f.Close()
	f, err = top.Open("a/b/f.txt")
	b, _ := io.ReadAll(f)
	fmt.Printf("open: %q %v\n", b, err)
	f.Close()
	f, err = top.OpenFile("a/b/f.txt", os.O_RDWR|os.O_APPEND, 0)
	fmt.Println("append:", err)
	fmt.Fprint(f, " more")
	f.Close()
	fi, err := top.Stat("a/b/f.txt")
	fmt.Println("stat:", fi.Size(), err)
	fi, err = top.Lstat("a")
	fmt.Println("lstat:", fi.IsDir(), err)

	sub, err := top.OpenRoot("a/b")
	fmt.Println("sub root:", err)
	for _, name := range []string{"../b/f.txt", "../../x", "/etc/passwd", "../f.txt", ".."} {
		_, err := sub.Open(name)
		fmt.Println("leaving by", name, "fails:", err != nil)
	}
	fi, err = sub.Stat("f.txt")
	fmt.Println("stat in sub:", fi.Size(), err)

	// The descriptor follows the directory when its parent is renamed.
	fmt.Println("rename parent:", os.Rename(os.Args[1]+"/a", os.Args[1]+"/z"))
	f, err = sub.Open("f.txt")
	if err == nil {
		b, _ = io.ReadAll(f)
		f.Close()
	}
	fmt.Printf("after rename: %q %v\n", b, err)
	g, err := sub.Create("new.txt")
	fmt.Println("create after rename:", err)
	if err == nil {
		g.Close()
	}
	_, err = os.Stat(os.Args[1] + "/z/b/new.txt")
	fmt.Println("seen at its new place:", err)

	os.Symlink("../../../../etc/passwd", os.Args[1]+"/z/b/evil")
	_, err = sub.Open("evil")
	fmt.Println("evil link fails:", err != nil)
	os.Symlink("f.txt", os.Args[1]+"/z/b/good")
	fi, err = sub.Stat("good")
	fmt.Println("good link:", err == nil && fi.Size() == 9)

	fs.WalkDir(top.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		fmt.Println("walk:", path, d.IsDir(), err)
		return nil
	})
	fmt.Println("remove:", sub.Remove("f.txt"), sub.Remove("new.txt"))
	fmt.Println("remove missing fails:", sub.Remove("f.txt") != nil)
	fmt.Println("remove full directory fails:", top.Remove("z") != nil)
	sub.Close()
	top.Close()
	_, err = top.Open("z")
	fmt.Println("closed root fails:", err != nil)
}
