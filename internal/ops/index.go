package ops

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed index.html
var indexHTML string

//go:embed index.css
var indexCSS string

// indexPage is the start page: it links to the other pages.
func indexPage(writable bool) http.Handler {
	var page bytes.Buffer
	err := template.Must(template.New("index").Parse(indexHTML)).Execute(&page, map[string]any{
		"Style":    template.CSS(indexCSS),
		"Writable": writable,
	})
	if err != nil {
		panic(err) // the template is part of the program
	}
	sum := sha256.Sum256([]byte(indexCSS))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page.Bytes())
	})
}
