// encodings runs the encoders of the library that are not JSON.
package main

import (
	"bytes"
	"encoding/ascii85"
	"encoding/asn1"
	"encoding/base32"
	"encoding/base64"
	"encoding/csv"
	"encoding/gob"
	"encoding/hex"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"html"
	"mime/quotedprintable"
	"net/url"
	"strings"
	"time"
)

type leaf struct {
	N    int
	F    float64
	S    string
	M    map[string][]int
	P    *leaf
	When time.Time
	I    any
}

type item struct {
	XMLName xml.Name `xml:"item"`
	ID      int      `xml:"id,attr"`
	Name    string   `xml:"name"`
	Tags    []string `xml:"tags>tag"`
	Note    string   `xml:",comment"`
}

func main() {
	data := make([]byte, 300)
	for i := range data {
		data[i] = byte(i * i)
	}
	for n := 0; n < 12; n++ {
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
			s := e.EncodeToString(data[200 : 200+n])
			back, err := e.DecodeString(s)
			fmt.Print(s, " ", bytes.Equal(back, data[200:200+n]), err, " ")
		}
		fmt.Println(base32.StdEncoding.EncodeToString(data[7:7+n]), hex.EncodeToString(data[9:9+n]))
	}
	_, err := base64.StdEncoding.DecodeString("ab!d")
	fmt.Println(err)
	_, err = hex.DecodeString("abc")
	fmt.Println(err)
	fmt.Println(hex.Dump(data[:40]))
	a85 := make([]byte, 100)
	fmt.Println(string(a85[:ascii85.Encode(a85, data[3:50])]))

	gob.Register(leaf{})
	var b bytes.Buffer
	in := leaf{-5, 2.5, "é", map[string][]int{"a": {1, -2}}, &leaf{S: "child"}, time.Unix(1e9, 5).UTC(), leaf{N: 9}}
	err = gob.NewEncoder(&b).Encode(in)
	fmt.Println(b.Len() > 100, err)
	var out leaf
	err = gob.NewDecoder(&b).Decode(&out)
	fmt.Println(out.N, out.F, out.S, out.M, out.P.S, out.When, out.I, err)

	r := csv.NewReader(strings.NewReader("a,\"b \"\"q\"\"\",c\n1,\"two\nlines\",\n# c\nx,y,z\n"))
	r.Comment = '#'
	rows, err := r.ReadAll()
	fmt.Printf("%q %v\n", rows, err)
	_, err = csv.NewReader(strings.NewReader("a,\"b\nc")).ReadAll()
	fmt.Println(err)
	w := csv.NewWriter(&b)
	w.WriteAll([][]string{{"a b", "c,d", "e\"f"}, {"", "\n"}})
	fmt.Printf("%q\n", b.String())

	x, err := xml.MarshalIndent(item{ID: 3, Name: "n<&>", Tags: []string{"t1", "t2"}, Note: " c "}, "", " ")
	fmt.Println(string(x), err)
	var it item
	err = xml.Unmarshal(x, &it)
	fmt.Println(it, err)
	fmt.Println(xml.Unmarshal([]byte("<item><name></item>"), &it))

	der, err := asn1.Marshal(struct {
		A int
		B string `asn1:"utf8"`
		C []int
		O asn1.ObjectIdentifier
	}{-300, "é", []int{1, 2}, []int{1, 2, 840}})
	fmt.Printf("%x %v\n", der, err)
	p := pem.EncodeToMemory(&pem.Block{Type: "TEST", Headers: map[string]string{"k": "v"}, Bytes: data[:70]})
	block, rest := pem.Decode(p)
	fmt.Println(string(p), block.Type, len(rest), bytes.Equal(block.Bytes, data[:70]))

	u, err := url.Parse("https://user:p%40ss@host.example:8080/a%20b/../c?q=1&q=2&z=%C3%A9#frag")
	fmt.Println(u.Host, u.Path, u.Query()["q"], u.Query().Get("z"), u.Fragment, u.User, u.JoinPath("../x"), err)
	fmt.Println(url.QueryEscape("a b&é"), html.EscapeString("<a href=\"x\">'&"), html.UnescapeString("&lt;&eacute;&#x4e16;&nope;"))
	b.Reset()
	q := quotedprintable.NewWriter(&b)
	q.Write([]byte("ünï = " + strings.Repeat("x", 90)))
	q.Close()
	fmt.Println(b.String())
}
