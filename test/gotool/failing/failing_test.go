// A test that fails for a reason of its own, after much that works here, or is refused here as everywhere.
package failing

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLocalhost(t *testing.T) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			conn.Write([]byte("served"))
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	conn, err := net.Dial("tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(conn); err != nil || string(said) != "served" {
		t.Error(string(said), err)
	}
}

func TestZones(t *testing.T) {
	if _, err := time.LoadLocation("Europe/Paris"); err != nil {
		t.Error(err)
	}
	if _, err := time.LoadLocation("No/Such"); err == nil {
		t.Error("a zone that nobody has")
	}
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", filepath.Join(dir, "relative")); err != nil {
		t.Error(err)
	}
	if err := os.Symlink(filepath.Join(dir, "file"), filepath.Join(dir, "absolute")); !os.IsPermission(err) {
		t.Error(err)
	}
}

func TestSearch(t *testing.T) {
	here, _ := os.Getwd()
	for _, dir := range []string{"src/vendor", "src"} {
		if _, err := os.Stat(filepath.Join(here, dir, "failing_test.go")); !os.IsNotExist(err) {
			t.Error(err)
		}
	}
}

func TestOther(t *testing.T) { t.Fatal("for a reason of its own") }
