module hosts

go 1.21
