module example.com/glovebox/plugin-server

go 1.24
