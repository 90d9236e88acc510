module example.com/audited

go 1.21
