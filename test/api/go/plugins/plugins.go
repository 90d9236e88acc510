//go:build plugins

// Package plugins pins github.com/knqyf263/go-plugin, whose examples test/api/test_goplugin.c builds and hosts.
package plugins

import (
	_ "github.com/knqyf263/go-plugin/examples/helloworld/plugin-morning"
	_ "github.com/knqyf263/go-plugin/examples/host-functions/plugin"
	_ "github.com/knqyf263/go-plugin/examples/wasi/plugin"
)
