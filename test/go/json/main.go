// json encodes and decodes: structs, tags, raw and generic values, errors, streams.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

type inner struct {
	A int            `json:"a"`
	B *float64       `json:"b,omitempty"`
	C map[string]any `json:"c"`
}
type level int

func (l level) MarshalText() ([]byte, error) { return []byte(fmt.Sprintf("level-%d", int(l))), nil }
func (l *level) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "level-%d", (*int)(l))
	return err
}

type outer struct {
	inner
	Name    string            `json:"name"`
	Tags    []string          `json:"tags"`
	Skip    string            `json:"-"`
	When    time.Time         `json:"when"`
	Raw     json.RawMessage   `json:"raw"`
	Bytes   []byte            `json:"bytes"`
	Level   level             `json:"level"`
	Levels  map[level]bool    `json:"levels"`
	Num     json.Number       `json:"num"`
	Quoted  int64             `json:"quoted,string"`
	Any     any               `json:"any"`
	Strings map[string]string `json:"strings"`
	Empty   struct{}          `json:"empty"`
	F32     float32           `json:"f32"`
	Arr     [3]uint8          `json:"arr"`
}

func main() {
	b := 2.5
	v := outer{inner{1, &b, map[string]any{"k": []any{1.0, "x", nil, true}}}, "n<>&\u2028é", []string{"a", "b"}, "s",
		time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC), json.RawMessage(`{"r":[1,2]}`), []byte{1, 2, 255}, 3, map[level]bool{1: true, 0: false}, "12.50", 1 << 60, map[string]any{"z": 1, "a": []int{}}, nil, struct{}{}, 0.1, [3]uint8{1, 2, 3}}
	text, err := json.MarshalIndent(v, "", "  ")
	fmt.Println(string(text), err)
	var back outer
	err = json.Unmarshal(text, &back)
	again, _ := json.MarshalIndent(back, "", "  ")
	fmt.Println(err, bytes.Equal(text, again))

	for _, s := range []string{`{"a":1`, `{"a":"x"}`, `[1,2,]`, `nul`, `{"a":1e999}`, `{"a":1.5}`, `"\ud800"`, "\"\x01\"", `{"name":null,"tags":null}`, ``, `{"a":1}x`, strings.Repeat("[", 20000)} {
		var o outer
		err := json.Unmarshal([]byte(s), &o)
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			fmt.Println("syntax", syntax.Offset, err)
		case errors.As(err, &kind):
			fmt.Println("type", kind.Field, kind.Offset, err)
		default:
			fmt.Println(err)
		}
	}
	var free any
	json.Unmarshal([]byte(`{"x":[1,2.5,-3e10,"\u00e9\n",{"y":null}],"t":true,"deep":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`}`), &free)
	out, _ := json.Marshal(free)
	fmt.Println(string(out))

	d := json.NewDecoder(strings.NewReader(`{"a":1} {"a":2} [3] tail`))
	for {
		var m any
		if err := d.Decode(&m); err != nil {
			fmt.Println(err, d.InputOffset())
			break
		}
		fmt.Println(m)
	}
	d = json.NewDecoder(strings.NewReader(`{"a":1,"zzz":2}`))
	d.DisallowUnknownFields()
	fmt.Println(d.Decode(&v))

	var recs []map[string]any
	for i := 0; i < 300; i++ {
		recs = append(recs, map[string]any{"id": i, "name": fmt.Sprint("n", i), "v": float64(i) / 3, "tags": []string{"a", "b"}, "nested": map[string]int{"k": i * i}})
	}
	big, _ := json.Marshal(recs)
	var decoded []map[string]any
	fmt.Println(len(big), json.Unmarshal(big, &decoded), len(decoded), decoded[299]["nested"])
	var compact bytes.Buffer
	json.Compact(&compact, text)
	fmt.Println(compact.Len(), json.Valid(compact.Bytes()))
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	e.Encode(map[string]any{"html": "<&>", "n": []float64{1e21, 1e-7, 100, 0.000001}})
	_, err = json.Marshal(func() {})
	fmt.Println(err)
}
