//go:build !race

package persistence_test

const raced = false
