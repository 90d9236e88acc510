/* What built a module, and what is in it, as far as the module says so: the `producers` section, the build
 * information that Go's linker leaves among the data, and the functions of pclntab.
 *
 * GO: cmd/go/internal/modload/build.go ModInfoData (Go 1.18 to 1.27): the text between two marks of 16 bytes;
 * cmd/link/internal/wasm/asm.go writeProducerSec; runtime/proc.go buildVersion. None of them is part of what
 * -ldflags "-s -w" leaves out.
 *
 * All of it is the module's word and used for messages only. */
#ifndef GBX_WASM_GOBUILD_H
#define GBX_WASM_GOBUILD_H

#include "wasm/golines.h"

/* Texts of the module's bytes, not escaped; {"",0} where it does not say. */
typedef struct go_build {
    rd_name language, version; /* "Go", "go1.26.8" */
    rd_name tool, tool_version; /* that processed it: "Go cmd/compile", "go1.26.8" */
    rd_name info;              /* lines of key, tab, value */
} go_build;

/* A section that is none of WebAssembly's own. */
typedef struct wasm_custom {
    rd_name name;
    u32 off, end; /* payload behind the name */
} wasm_custom;
/* The next custom section from *at on, which becomes the offset behind it; 0 begins. False: there is none. */
bool gbx_wasm_next_custom(const wasm_module *m, u32 *at, wasm_custom *out);

/* Looks through all data; SAFETY: the work is bounded by the module's size, whatever it says. */
void gbx_wasm_go_build(const wasm_module *m, go_build *out);

/* One line of go_build.info: "dep", "golang.org/x/text", "v0.14.0". For "build" the second is the setting's
 * name and the third its value. */
typedef struct go_build_line {
    rd_name kind, name, value;
} go_build_line;
/* Take the first line off *rest. False: there is none. */
bool gbx_wasm_go_build_line(rd_name *rest, go_build_line *out);

/* The path of the package of a function by its name in pclntab or the name section: "net/http" of
 * "net/http.(*Transport).dial", "gopkg.in/yaml.v3" of "gopkg.in/yaml%2ev3.Unmarshal", "" of what the
 * linker made. Written to out, at most `cap` bytes; its length. */
u32 gbx_wasm_go_package(const char *name, u32 len, char *out, u32 cap);

#endif
