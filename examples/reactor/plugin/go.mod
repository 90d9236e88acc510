module example.com/glovebox/reactor

go 1.24
