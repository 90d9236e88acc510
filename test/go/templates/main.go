// templates runs text/template and html/template.
package main

import (
	"fmt"
	htmpl "html/template"
	"os"
	"strings"
	"text/template"
	"time"
)

type person struct {
	Name  string
	Tags  []string
	Attrs map[string]int
	Boss  *person
}

func (p person) Greet(s string) string { return s + ", " + p.Name }

const page = `{{define "row"}}<{{.}}>{{end -}}
{{range $i, $p := .}}{{$i}}: {{$p.Name | printf "%-8q"}} {{with .Boss}}under {{.Name}}{{else}}alone{{end}}
{{- range $k, $v := .Attrs}} {{$k}}={{$v}}{{end}}
{{- if and .Tags (gt (len .Tags) 1)}} many{{else if .Tags}} one{{else}} none{{end}} {{.Greet "hi"}} {{template "row" .Tags}}
{{if eq $i 1}}{{break}}{{end}}{{end}}{{len .}} {{index . 0 | up}} {{slice "abcdef" 1 3}} {{html "<&>"}} {{not true}} {{lt 1 2}}
`

func main() {
	boss := person{Name: "Ada"}
	people := []person{{"Bob", []string{"x", "y"}, map[string]int{"b": 2, "a": 1}, &boss}, boss, {Name: "never"}}
	t := template.Must(template.New("page").Funcs(template.FuncMap{"up": func(v person) string { return strings.ToUpper(v.Name) }}).Parse(page))
	if err := t.Execute(os.Stdout, people); err != nil {
		fmt.Println(err)
	}
	for _, s := range []string{"{{.Missing}}", "{{index . 9}}", "{{template \"none\"}}", "{{call .}}"} {
		fmt.Println(template.Must(template.New("e").Parse(s)).Execute(os.Stdout, people))
	}
	_, err := template.New("bad").Parse("{{if}}")
	fmt.Println(err)
	h := htmpl.Must(htmpl.New("h").Parse(`<a href="/?q={{.}}" onclick="f({{.}})" title='{{.}}'>{{.}}</a><script>var x = {{.}};</script>` + "\n"))
	h.Execute(os.Stdout, `<b>"O'Neil" & co</b>`)
	fmt.Println(time.Date(2024, 2, 29, 23, 59, 58, 0, time.UTC).Format(time.RFC1123), time.Duration(3723004005006))
}
