module glovebox.test/streams

go 1.24
