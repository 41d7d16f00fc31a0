//go:build tools

// Package tools names what go.mod pins, so that `go mod tidy` keeps it when the version is raised.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"
