module renkei.dev

go 1.26
