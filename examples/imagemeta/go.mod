module example/imagemeta

go 1.21
