package main

// Every call of WASI preview 1, as the host offers it, without the checks that Go's own packages put before it.

//go:wasmimport wasi_snapshot_preview1 args_get
//go:noescape
func args_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 args_sizes_get
//go:noescape
func args_sizes_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 environ_get
//go:noescape
func environ_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 environ_sizes_get
//go:noescape
func environ_sizes_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 clock_res_get
//go:noescape
func clock_res_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 clock_time_get
//go:noescape
func clock_time_get(a uint32, b uint64, c uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_advise
//go:noescape
func fd_advise(a uint32, b uint64, c uint64, d uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_allocate
//go:noescape
func fd_allocate(a uint32, b uint64, c uint64) uint32

//go:wasmimport wasi_snapshot_preview1 fd_close
//go:noescape
func fd_close(a uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_datasync
//go:noescape
func fd_datasync(a uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_get
//go:noescape
func fd_fdstat_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_set_flags
//go:noescape
func fd_fdstat_set_flags(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_set_rights
//go:noescape
func fd_fdstat_set_rights(a uint32, b uint64, c uint64) uint32

//go:wasmimport wasi_snapshot_preview1 fd_filestat_get
//go:noescape
func fd_filestat_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_filestat_set_size
//go:noescape
func fd_filestat_set_size(a uint32, b uint64) uint32

//go:wasmimport wasi_snapshot_preview1 fd_filestat_set_times
//go:noescape
func fd_filestat_set_times(a uint32, b uint64, c uint64, d uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_pread
//go:noescape
func fd_pread(a uint32, b uint32, c uint32, d uint64, e uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_prestat_get
//go:noescape
func fd_prestat_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_prestat_dir_name
//go:noescape
func fd_prestat_dir_name(a uint32, b uint32, c uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_pwrite
//go:noescape
func fd_pwrite(a uint32, b uint32, c uint32, d uint64, e uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_read
//go:noescape
func fd_read(a uint32, b uint32, c uint32, d uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_readdir
//go:noescape
func fd_readdir(a uint32, b uint32, c uint32, d uint64, e uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_renumber
//go:noescape
func fd_renumber(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_seek
//go:noescape
func fd_seek(a uint32, b uint64, c uint32, d uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_sync
//go:noescape
func fd_sync(a uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_tell
//go:noescape
func fd_tell(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_write
//go:noescape
func fd_write(a uint32, b uint32, c uint32, d uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_create_directory
//go:noescape
func path_create_directory(a uint32, b uint32, c uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_filestat_get
//go:noescape
func path_filestat_get(a uint32, b uint32, c uint32, d uint32, e uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_filestat_set_times
//go:noescape
func path_filestat_set_times(a uint32, b uint32, c uint32, d uint32, e uint64, f uint64, g uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_link
//go:noescape
func path_link(a uint32, b uint32, c uint32, d uint32, e uint32, f uint32, g uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_open
//go:noescape
func path_open(a uint32, b uint32, c uint32, d uint32, e uint32, f uint64, g uint64, h uint32, i uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_readlink
//go:noescape
func path_readlink(a uint32, b uint32, c uint32, d uint32, e uint32, f uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_remove_directory
//go:noescape
func path_remove_directory(a uint32, b uint32, c uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_rename
//go:noescape
func path_rename(a uint32, b uint32, c uint32, d uint32, e uint32, f uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_symlink
//go:noescape
func path_symlink(a uint32, b uint32, c uint32, d uint32, e uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_unlink_file
//go:noescape
func path_unlink_file(a uint32, b uint32, c uint32) uint32

//go:wasmimport wasi_snapshot_preview1 poll_oneoff
//go:noescape
func poll_oneoff(a uint32, b uint32, c uint32, d uint32) uint32

//go:wasmimport wasi_snapshot_preview1 proc_exit
//go:noescape
func proc_exit(a uint32)

//go:wasmimport wasi_snapshot_preview1 proc_raise
//go:noescape
func proc_raise(a uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sched_yield
//go:noescape
func sched_yield() uint32

//go:wasmimport wasi_snapshot_preview1 random_get
//go:noescape
func random_get(a uint32, b uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_accept
//go:noescape
func sock_accept(a uint32, b uint32, c uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_recv
//go:noescape
func sock_recv(a uint32, b uint32, c uint32, d uint32, e uint32, f uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_send
//go:noescape
func sock_send(a uint32, b uint32, c uint32, d uint32, e uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_shutdown
//go:noescape
func sock_shutdown(a uint32, b uint32) uint32

// f is the first number, mostly a descriptor; p all others, pointers and lengths; n the wide ones.
var calls = []struct {
	name string
	call func(f, p uint32, n uint64) uint32
}{
	{"args_get", func(f, p uint32, n uint64) uint32 { return args_get(f, p) }},
	{"args_sizes_get", func(f, p uint32, n uint64) uint32 { return args_sizes_get(f, p) }},
	{"environ_get", func(f, p uint32, n uint64) uint32 { return environ_get(f, p) }},
	{"environ_sizes_get", func(f, p uint32, n uint64) uint32 { return environ_sizes_get(f, p) }},
	{"clock_res_get", func(f, p uint32, n uint64) uint32 { return clock_res_get(f, p) }},
	{"clock_time_get", func(f, p uint32, n uint64) uint32 { return clock_time_get(f, n, p) }},
	{"fd_advise", func(f, p uint32, n uint64) uint32 { return fd_advise(f, n, n, p) }},
	{"fd_allocate", func(f, p uint32, n uint64) uint32 { return fd_allocate(f, n, n) }},
	{"fd_datasync", func(f, p uint32, n uint64) uint32 { return fd_datasync(f) }},
	{"fd_fdstat_get", func(f, p uint32, n uint64) uint32 { return fd_fdstat_get(f, p) }},
	{"fd_fdstat_set_flags", func(f, p uint32, n uint64) uint32 { return fd_fdstat_set_flags(f, p) }},
	{"fd_filestat_get", func(f, p uint32, n uint64) uint32 { return fd_filestat_get(f, p) }},
	{"fd_filestat_set_size", func(f, p uint32, n uint64) uint32 { return fd_filestat_set_size(f, n) }},
	{"fd_filestat_set_times", func(f, p uint32, n uint64) uint32 { return fd_filestat_set_times(f, n, n, p) }},
	{"fd_pread", func(f, p uint32, n uint64) uint32 { return fd_pread(f, p, p, n, p) }},
	{"fd_prestat_get", func(f, p uint32, n uint64) uint32 { return fd_prestat_get(f, p) }},
	{"fd_prestat_dir_name", func(f, p uint32, n uint64) uint32 { return fd_prestat_dir_name(f, p, p) }},
	{"fd_pwrite", func(f, p uint32, n uint64) uint32 { return fd_pwrite(f, p, p, n, p) }},
	{"fd_read", func(f, p uint32, n uint64) uint32 { return fd_read(f, p, p, p) }},
	{"fd_readdir", func(f, p uint32, n uint64) uint32 { return fd_readdir(f, p, p, n, p) }},
	{"fd_seek", func(f, p uint32, n uint64) uint32 { return fd_seek(f, n, p, p) }},
	{"fd_sync", func(f, p uint32, n uint64) uint32 { return fd_sync(f) }},
	{"fd_tell", func(f, p uint32, n uint64) uint32 { return fd_tell(f, p) }},
	{"fd_write", func(f, p uint32, n uint64) uint32 { return fd_write(f, p, p, p) }},
	{"path_create_directory", func(f, p uint32, n uint64) uint32 { return path_create_directory(f, p, p) }},
	{"path_filestat_get", func(f, p uint32, n uint64) uint32 { return path_filestat_get(f, p, p, p, p) }},
	{"path_filestat_set_times", func(f, p uint32, n uint64) uint32 { return path_filestat_set_times(f, p, p, p, n, n, p) }},
	{"path_link", func(f, p uint32, n uint64) uint32 { return path_link(f, p, p, p, p, p, p) }},
	{"path_open", func(f, p uint32, n uint64) uint32 { return path_open(f, p, p, p, p, n, n, p, p) }},
	{"path_readlink", func(f, p uint32, n uint64) uint32 { return path_readlink(f, p, p, p, p, p) }},
	{"path_remove_directory", func(f, p uint32, n uint64) uint32 { return path_remove_directory(f, p, p) }},
	{"path_rename", func(f, p uint32, n uint64) uint32 { return path_rename(f, p, p, p, p, p) }},
	{"path_symlink", func(f, p uint32, n uint64) uint32 { return path_symlink(f, p, p, p, p) }},
	{"path_unlink_file", func(f, p uint32, n uint64) uint32 { return path_unlink_file(f, p, p) }},
	{"poll_oneoff", func(f, p uint32, n uint64) uint32 { return poll_oneoff(f, p, p, p) }},
	{"sched_yield", func(f, p uint32, n uint64) uint32 { return sched_yield() }},
	{"random_get", func(f, p uint32, n uint64) uint32 { return random_get(f, p) }},
	{"sock_accept", func(f, p uint32, n uint64) uint32 { return sock_accept(f, p, p) }},
	{"sock_recv", func(f, p uint32, n uint64) uint32 { return sock_recv(f, p, p, p, p, p) }},
	{"sock_send", func(f, p uint32, n uint64) uint32 { return sock_send(f, p, p, p, p) }},
	{"sock_shutdown", func(f, p uint32, n uint64) uint32 { return sock_shutdown(f, p) }},
}
