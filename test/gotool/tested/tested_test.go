package tested

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTestdata(t *testing.T) {
	data, err := os.ReadFile("testdata/in.txt")
	must(t, err)
	if string(data) != "data\n" || Add(1, 2) != 3 {
		t.Fatalf("%q", data)
	}
}

func TestTemp(t *testing.T) {
	dir := t.TempDir()
	if !strings.HasPrefix(dir, os.TempDir()+"/") {
		t.Fatalf("%s is not in %s", dir, os.TempDir())
	}
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	must(t, os.Chdir(dir))
	_, err := os.Stat("file")
	must(t, err)
	must(t, os.Chdir(os.Getenv("PWD")))
}

func TestPackageIsWritable(t *testing.T) {
	must(t, os.WriteFile("testdata/golden", []byte("new"), 0o600))
	must(t, os.Remove("testdata/golden"))
}

func TestGoroot(t *testing.T) {
	_, err := os.Stat(filepath.Join(runtime.GOROOT(), "src", "fmt", "print.go"))
	must(t, err)
	if err := os.WriteFile(filepath.Join(runtime.GOROOT(), "written"), nil, 0o600); err == nil {
		t.Fatal("GOROOT is writable")
	}
}

func TestZones(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	must(t, err)
	if got := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).In(paris).Hour(); got != 14 {
		t.Fatal(got)
	}
}

func TestEnv(t *testing.T) {
	if os.Getenv("GOWASIRUNTIME") != "glovebox" || os.Getenv("PATH") == "" || os.Getenv("HOME") != "" {
		t.Fatal(os.Environ())
	}
	dir, err := os.Getwd()
	must(t, err)
	if dir != os.Getenv("PWD") {
		t.Fatal(dir)
	}
}

func TestEvalSymlinks(t *testing.T) {
	for _, name := range []string{os.Getenv("PWD"), t.TempDir(), runtime.GOROOT()} {
		path, err := filepath.EvalSymlinks(name)
		must(t, err)
		if path == "" {
			t.Fatal(name)
		}
	}
}

func TestNothingElse(t *testing.T) {
	for _, name := range []string{"/etc/passwd", "/etc/hostname", "/root", "/home", "/proc/self/environ", "/var/log", "../../home"} {
		if _, err := os.ReadFile(name); err == nil {
			t.Errorf("%s can be read", name)
		}
		if _, err := os.ReadDir(name); err == nil {
			t.Errorf("%s can be listed", name)
		}
	}
}

func TestFailing(t *testing.T) {
	if os.Getenv("FAIL") != "" {
		t.Fatal("as it was told")
	}
}

func FuzzAdd(f *testing.F) {
	f.Add(1, 2)
	f.Fuzz(func(t *testing.T, a, b int) {
		if Add(a, b) != a+b {
			t.Fatal(a, b)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	for i := 0; i < b.N; i++ {
		Add(i, i)
	}
}
