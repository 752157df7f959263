module zones

go 1.24.0
