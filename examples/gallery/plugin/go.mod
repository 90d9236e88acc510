module example.com/glovebox/gallery

go 1.24
