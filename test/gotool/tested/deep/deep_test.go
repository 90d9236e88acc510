package deep

import (
	"os"
	"testing"
)

func TestDeep(t *testing.T) {
	if One() != 1 {
		t.Fatal("one")
	}
	if _, err := os.ReadFile("../testdata/in.txt"); err != nil {
		t.Fatal(err)
	}
}

func TestModuleIsReadOnly(t *testing.T) {
	if err := os.WriteFile("../new.txt", nil, 0o600); err == nil {
		t.Fatal("a file was written beside the package")
	}
	if err := os.Remove("../testdata/in.txt"); err == nil {
		t.Fatal("a file beside the package was removed")
	}
	if err := os.WriteFile("new.txt", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove("new.txt"); err != nil {
		t.Fatal(err)
	}
}
