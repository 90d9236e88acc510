module example.com/glovebox/host

go 1.24
