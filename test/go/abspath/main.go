// Where am I: os.Getwd and filepath.Abs believe PWD only when "." can be looked at, also where the
// root itself is not granted.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	wd, err := os.Getwd()
	fmt.Println("wd:", wd, err)
	abs, err := filepath.Abs("data/in.json")
	fmt.Println("abs:", abs, err)
	info, err := os.Stat("/")
	fmt.Println("root:", err == nil && info.IsDir(), err)
	_, err = os.ReadDir("/")
	fmt.Println("list:", os.IsNotExist(err))
	err = os.Mkdir("/new", 0o777)
	fmt.Println("mkdir:", os.IsPermission(err))
	text, err := os.ReadFile(abs)
	fmt.Printf("file: %q %v\n", text, err)
}
