module example.com/glovebox/host-function

go 1.24
