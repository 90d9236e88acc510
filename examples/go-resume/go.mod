module example.com/go-resume

go 1.24
