module example.com/glovebox/tenants

go 1.24
