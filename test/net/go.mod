module glovebox.test/net

go 1.24
