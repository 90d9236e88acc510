module example/diagnose

go 1.24
