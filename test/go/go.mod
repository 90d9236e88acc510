module glovebox/test/go

go 1.24
